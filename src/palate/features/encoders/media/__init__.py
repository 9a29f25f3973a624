"""Photos and sounds: where they lie, and how they are opened."""
