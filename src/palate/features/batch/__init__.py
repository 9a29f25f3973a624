"""Catalogues that do not fit in memory: Parquet in, vectors out, one partition at a time."""
