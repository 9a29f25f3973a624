"""Models whose weights come in packages, built from what these hold."""
