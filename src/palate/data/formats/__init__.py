"""Files as people have them: CSV, JSON, Parquet, texts in any encoding, triples."""
