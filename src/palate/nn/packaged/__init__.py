"""Models that packages bring in formats of their own, built once as folders."""
