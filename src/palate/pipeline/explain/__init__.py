"""Why an item is recommended: what speaks for it, in words."""
