"""Selection: which columns stay."""
