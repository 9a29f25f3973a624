"""palate.evaluation.report"""
