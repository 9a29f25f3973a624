"""Tables in: read, clean, split; sample data."""
