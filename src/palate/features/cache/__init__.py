"""palate.features.cache"""
