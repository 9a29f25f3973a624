"""Columns of a table as features: what each holds, and how it is read."""
