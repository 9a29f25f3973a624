"""Recommenders: histories → scores; a file each."""
