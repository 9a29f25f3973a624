"""Metrics of one request, and what chance would score."""
