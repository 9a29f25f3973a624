"""The ranker's workshop: retrievers, candidates, labels, rows, trees."""
