import pytest

from palate.core import progress


class Notes:
    """Writes down what it is told."""

    def __init__(self):
        self.lines = []

    def start(self, label, total, unit):
        self.lines.append(("start", label, total, unit))
        return lambda steps: self.lines.append((label, steps))

    def stop(self, label, *, finished):
        self.lines.append(("stop", label, finished))


def work():
    with progress.task("count", 5, "sheep") as advance:
        advance(2)
        advance(3)


def test_nobody_watches():
    work()


def test_the_watcher_hears_everything_in_order():
    notes = Notes()
    with progress.watch(notes):
        work()
    assert notes.lines == [
        ("start", "count", 5, "sheep"),
        ("count", 2),
        ("count", 3),
        ("stop", "count", True),
    ]
    work()
    assert len(notes.lines) == 4, "after the block nobody listens"


def test_work_that_fails_is_stopped_too():
    notes = Notes()
    with progress.watch(notes), pytest.raises(ValueError, match="oops"), progress.task("x", 1):
        raise ValueError("oops")
    assert notes.lines[-1] == ("stop", "x", False)


def test_inner_watchers_hear_alone():
    outer, inner = Notes(), Notes()
    with progress.watch(outer):
        with progress.watch(inner):
            work()
        assert not outer.lines
        work()
    assert outer.lines == inner.lines
