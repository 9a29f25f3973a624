"""The report as one page: a file a section."""
