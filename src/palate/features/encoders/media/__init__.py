"""Photos and sounds: where their files lie, and how they are decoded."""
