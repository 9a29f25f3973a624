"""The pipeline: from tables to recommendations, its file, its folder, its checks."""
