"""palate.core"""
