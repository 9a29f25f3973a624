"""Vectors that were computed once, on the disk."""
