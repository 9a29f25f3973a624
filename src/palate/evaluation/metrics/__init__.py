"""palate.evaluation.metrics"""
