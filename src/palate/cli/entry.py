"""Where the command `palate` begins: light, so that ctrl-C has its one line from the start."""

import os
import signal
import sys
from types import FrameType
from typing import Final

_ENDS: Final = ("SIGTERM", "SIGHUP")  # Windows lacks the second
_INTERRUPTED: Final = 128 + signal.SIGINT


def main() -> None:
    """Runs the command line; ctrl-C is one line and exit code 130, also while it is loading.

    So are the signals by which a system or a closed terminal ends a process, each with its code:
    what was begun is cleared away. One that was to be ignored, as by nohup, is.
    """
    came: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt

    for number in (getattr(signal, name) for name in _ENDS if hasattr(signal, name)):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, stop)
    try:
        _run()
    except SystemExit as left:
        if came and left.code == _INTERRUPTED:
            sys.exit(128 + came[0])
        raise


def _run() -> None:
    try:
        _speak_utf8()
        from palate.cli.main import main as run

        run()
    except KeyboardInterrupt:  # before the commands listen, or once more while they end
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if sys.stderr is not None:
            print("stopped; what was saved before is as it was", file=sys.stderr)
        sys.exit(_INTERRUPTED)


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
