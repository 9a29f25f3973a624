"""palate.features.encoders.media"""
