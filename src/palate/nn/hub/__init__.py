"""Pretrained models: which there are, where they are found, what they hold."""
