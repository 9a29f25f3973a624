"""palate.features.encoders.columns"""
