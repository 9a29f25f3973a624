"""palate.cli"""
