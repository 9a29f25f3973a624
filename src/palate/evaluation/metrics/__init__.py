"""Metrics: of rankings, of ratings, beyond accuracy, and of chance."""
