"""Vectors that were made once: on disk, by what they were made of."""
