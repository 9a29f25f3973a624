"""`python -m palate`: the same as the command `palate`, where that is not on the path."""

from palate.cli.entry import main

if __name__ == "__main__":  # worker processes import what began them
    main()
