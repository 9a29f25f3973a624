"""palate.pipeline.explain"""
