"""Files as people have them: how each format is read, and what is wrong with one that is not."""
