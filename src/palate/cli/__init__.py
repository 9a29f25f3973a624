"""The command line: `palate fit`, `evaluate`, `recommend` and the rest."""
