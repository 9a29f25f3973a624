"""Fusion: several blocks → one."""
