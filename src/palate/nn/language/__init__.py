"""Language models: folders, tokens, pooling, and the engines that run them."""
