"""palate.pipeline"""
