"""Where the command `palate` begins: light, so that ctrl-C has its one line from the start."""

import signal
import sys


def main() -> None:
    """Runs the command line; ctrl-C is one line and exit code 130, also while it is loading."""
    try:
        from palate.cli.main import main as run

        run()
    except KeyboardInterrupt:  # before the commands listen, or once more while they end
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if sys.stderr is not None:
            print("stopped; what was saved before is as it was", file=sys.stderr)
        sys.exit(130)
