"""Published benchmarks: their folders as splits, and the figures others printed on them."""
