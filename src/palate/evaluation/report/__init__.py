"""The report: one page of HTML, a section a file."""
