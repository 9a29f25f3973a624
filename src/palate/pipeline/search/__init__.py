"""Searching by words: what an item is called, which words it holds, what it means."""
