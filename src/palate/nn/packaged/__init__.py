"""palate.nn.packaged"""
