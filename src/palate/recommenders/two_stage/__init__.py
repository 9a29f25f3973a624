"""palate.recommenders.two_stage"""
