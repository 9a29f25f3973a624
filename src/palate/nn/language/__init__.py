"""Language models: texts → vectors, by every backend."""
