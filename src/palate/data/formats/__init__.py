"""palate.data.formats"""
