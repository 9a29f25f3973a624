"""palate.features"""
