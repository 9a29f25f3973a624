"""Where the command `palate` begins: light, so that ctrl-C has its one line from the start."""

import os
import signal
import sys


def main() -> None:
    """Runs the command line; ctrl-C is one line and exit code 130, also while it is loading."""
    try:
        _speak_utf8()
        from palate.cli.main import main as run

        run()
    except KeyboardInterrupt:  # before the commands listen, or once more while they end
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if sys.stderr is not None:
            print("stopped; what was saved before is as it was", file=sys.stderr)
        sys.exit(130)


def _speak_utf8() -> None:
    """Begins anew in Python's UTF-8 mode where names of files could be ASCII alone.

    So it is with LC_ALL=POSIX where somebody has turned off both that mode and the coercion of
    locales: names, tables and what is printed would be cut down to letters without accents. The
    same bytes are handed on, and children inherit the mode.
    """
    if sys.flags.utf8_mode or sys.getfilesystemencoding() not in ("ascii", "us-ascii"):
        return
    if sys.executable and os.name == "posix":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
