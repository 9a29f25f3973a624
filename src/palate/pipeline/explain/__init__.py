"""Why an item is recommended, in a sentence."""
