"""Representation: what is done to features before they are compared."""
