"""Text: templates, normalising, behaviour in words."""
