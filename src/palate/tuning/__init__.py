"""Smaller models from larger ones: distillation."""
