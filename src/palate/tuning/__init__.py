"""Models of one's own: a small encoder learnt from a large one."""
