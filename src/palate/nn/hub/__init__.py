"""Pretrained models: where they lie, how they come, what names their weights."""
