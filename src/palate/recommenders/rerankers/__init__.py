"""Rerankers: recommendations → better-mixed recommendations."""
