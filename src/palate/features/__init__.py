"""Items and users → named blocks of numbers."""
