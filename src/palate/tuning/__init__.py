"""palate.tuning"""
