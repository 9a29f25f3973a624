"""Evaluation: how good, for whom, and is the difference real."""
