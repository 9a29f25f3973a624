"""palate.nn.hub"""
