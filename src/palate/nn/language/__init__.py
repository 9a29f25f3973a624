"""palate.nn.language"""
