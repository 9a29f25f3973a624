"""The loop that encoders of photos and sounds share, with one that reads lines of numbers."""

import copy
import threading
import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
import pytest

from palate import testing
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError
from palate.features.encoders import _media
from palate.features.encoders._media import MediaEncoder
from palate.features.encoders.media import sources
from palate.features.encoders.media.sources import UnreadableError

LOG: dict[str, list] = {"decoded": [], "embedded": [], "loaded": []}


@dataclass(kw_only=True)
class Lines(MediaEncoder):
    """Reads "3 4 5" as a vector; "nan" is one that its model makes nothing of."""

    kind: ClassVar[str] = "line"
    default_columns: ClassVar[tuple[str, ...]] = ("line", "line_path")
    fingerprint = "lines-1"

    def _load(self):
        LOG["loaded"].append(threading.current_thread() is threading.main_thread())

    def _decode(self, content):
        LOG["decoded"].append(content)
        try:
            return [float(word) for word in content.split()]
        except ValueError:
            raise UnreadableError("it is no line of numbers") from None

    def _embed(self, batch):
        LOG["embedded"].append(len(batch))
        return np.array(batch, dtype=np.float32)


@pytest.fixture(autouse=True)
def log():
    for entries in LOG.values():
        entries.clear()
    return LOG


def catalogue(lines, warm=None, name="line"):
    """Items i0, i1, … with these lines, of which people touched the first few."""
    items = pl.DataFrame({"item_id": [f"i{row}" for row in range(len(lines))], name: lines})
    warm = len(lines) if warm is None else warm
    events = {"user_id": ["u"] * warm, "item_id": [f"i{row}" for row in range(warm)]}
    return Dataset(interactions=pl.DataFrame(events), items=items)


def encoded(data, **settings):
    return Lines(**settings).fit(data).encode(data).values


def test_it_keeps_the_promises_of_an_encoder(tiny):
    place = pl.int_range(pl.len())
    lines = pl.format("{} {} {}", place * place % 7 + 1, place % 3, (place * 5) % 11)
    given = pl.when(place % 8 != 5).then(lines).cast(pl.Binary).alias("line")
    testing.check_encoder(Lines(), Dataset(tiny.interactions, tiny.items.with_columns(given)))


def test_rows_are_those_of_the_items(log):
    lines = [b"1 2", b"3 4", b"9 7", b"1 2", b"0 5"]
    found = encoded(catalogue(lines), batch_size=2)
    assert found.tolist() == [[1, 2], [3, 4], [9, 7], [1, 2], [0, 5]]
    assert sorted(log["decoded"]) == [b"0 5", b"1 2", b"3 4", b"9 7"], "twice the same, once read"
    assert log["embedded"] == [2, 2]


def test_the_same_content_at_two_paths_is_encoded_once(write, log):
    folder = write("lines/a.txt", "1 2").parent
    write("lines/b/copy.txt", "1 2")
    write("lines/c.txt", "5 2")
    found = encoded(catalogue(["b/copy.txt", "c.txt", "a.txt"]), folder=str(folder))
    assert found.tolist() == [[1, 2], [5, 2], [1, 2]]
    assert len(log["decoded"]) == 2


def test_what_is_cached_is_neither_decoded_nor_is_a_model_loaded(log):
    data = catalogue([b"1 2", b"3 4"])
    first = encoded(data)
    assert log["loaded"] == [True]
    log["decoded"].clear()
    again = encoded(catalogue([b"3 4", b"1 2"]))
    assert again.tolist() == first[::-1].tolist()
    assert not log["decoded"]
    assert log["loaded"] == [True]


def test_items_without_one_get_the_mean_and_a_mark():
    found = encoded(catalogue([b"1 2", None, b"3 6", b"", b"90 90"], warm=4))
    assert found.tolist() == [[1, 2, 0], [2, 4, 1], [3, 6, 0], [2, 4, 1], [90, 90, 0]]


def test_blank_paths_are_missing(write):
    folder = write("lines/a.txt", "1 2").parent
    found = encoded(catalogue(["a.txt", " ", ""]), folder=str(folder))
    assert found[:, -1].tolist() == [0, 1, 1]


def test_without_gaps_there_is_no_mark_and_arrivals_without_one_get_the_mean():
    model = Lines().fit(catalogue([b"1 2", b"3 6"]))
    assert model.encode(catalogue([None, b"5 5"])).values.tolist() == [[2, 4], [5, 5]]
    assert model.encode(catalogue([None, None])).values.tolist() == [[2, 4], [2, 4]]


def test_where_no_touched_item_has_one_the_whole_catalogue_is_learnt_from():
    found = encoded(catalogue([None, b"1 2", b"3 6"], warm=1))
    assert found.tolist() == [[2, 4, 1], [1, 2, 0], [3, 6, 0]]


def test_where_nobody_has_one_the_column_is_named():
    with pytest.raises(DataError, match="no item has a usable line in the column 'line'"):
        Lines().fit(catalogue([None, b""]))


BAD = [b"1 2", b"what?", b"3 6", b"nan 1", b"what?"]


def test_bad_content_stops_everything_after_all_was_tried(log):
    with pytest.raises(DataError) as caught:
        Lines().fit(catalogue(BAD))
    assert str(caught.value) == (
        "3 of 5 lines cannot be used: 5 bytes of item 'i1': it is no line of numbers; "
        "5 bytes of item 'i3': the model makes NaN or infinity of it; "
        "5 bytes of item 'i4': it is no line of numbers. "
        'Mend them, or count them as missing: on_error="skip"'
    )
    log["decoded"].clear()
    with pytest.raises(DataError):
        Lines().fit(catalogue(BAD))
    assert sorted(log["decoded"]) == [b"nan 1", b"what?"], "the good ones were kept"


def test_bad_content_is_counted_and_skipped():
    data = catalogue(BAD)
    with pytest.warns(RuntimeWarning, match="3 of 5 lines cannot be used") as caught:
        model = Lines(on_error="skip").fit(data)
    assert len(caught) == 1
    assert str(caught[0].message).endswith("They count as missing")
    with pytest.warns(RuntimeWarning, match="3 of 5"):
        found = model.encode(data).values
    assert found.tolist() == [[1, 2, 0], [2, 4, 1], [3, 6, 0], [2, 4, 1], [2, 4, 1]]


def test_of_many_bad_ones_three_are_shown():
    with pytest.raises(DataError, match=r"^7 of 8 lines.*; and 4 more\. Mend"):
        Lines().fit(catalogue([b"1 2", *[b"bad %d" % row for row in range(7)]]))


def test_one_bad_path_never_loses_the_others(write):
    folder = write("lines/a.txt", "1 2").parent
    write("outside.txt", "6 6")
    paths = ["../outside.txt", "a.txt", "gone.txt"]
    with pytest.warns(RuntimeWarning, match=r"2 of 3.*leads out of.*no such file"):
        vectors, present = Lines(folder=str(folder), on_error="skip").encode_files(paths)
    assert present.tolist() == [False, True, False]
    assert vectors.tolist() == [[0, 0], [1, 2], [0, 0]]


def test_a_file_that_vanishes_between_two_looks_is_named(write, monkeypatch):
    path = write("lines/a.txt", "1 2")
    monkeypatch.setattr(Lines, "_load", lambda _: path.unlink())
    with pytest.raises(DataError, match=r"a\.txt: there is no such file"):
        Lines(folder=str(path.parent)).encode_files(["a.txt"])


def test_no_files_at_all():
    vectors, present = Lines().encode_files([None, None])
    assert len(vectors) == 2
    assert not present.any()


def test_a_model_that_breaks_is_no_fault_of_the_files(monkeypatch):
    def broken(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Lines, "_embed", broken)
    with pytest.raises(RuntimeError, match="out of memory"):
        Lines(on_error="skip").fit(catalogue([b"1 2"]))


def test_many_files_are_decoded_side_by_side(monkeypatch):
    """Four decoders meet at a barrier, which one alone would never pass."""
    barrier = threading.Barrier(4, timeout=20)
    decode = Lines._decode

    def together(self, content):
        barrier.wait()
        return decode(self, content)

    monkeypatch.setattr(Lines, "_decode", together)
    monkeypatch.setattr(_media, "READERS", 4)
    rows = [b"%d 1" % row for row in range(200)]
    assert encoded(catalogue(rows), batch_size=30)[:, 0].tolist() == list(range(200))


def test_few_decoded_files_wait_at_a_time(monkeypatch):
    waiting, most = 0, 0
    lock = threading.Lock()
    decode, embed = Lines._decode, Lines._embed

    def counted(self, content):
        nonlocal waiting, most
        with lock:
            waiting += 1
            most = max(most, waiting)
        return decode(self, content)

    def taken(self, batch):
        nonlocal waiting
        with lock:
            waiting -= len(batch)
        return embed(self, batch)

    monkeypatch.setattr(Lines, "_decode", counted)
    monkeypatch.setattr(Lines, "_embed", taken)
    encoded(catalogue([b"%d 1" % row for row in range(1000)]), batch_size=10)
    assert most <= sources.AHEAD + 10


@pytest.mark.parametrize(
    ("table", "settings", "said"),
    [
        (
            {"words": [b"1"]},
            {},
            r"no column of lines \(looked for line, line_path\).*item_id, words",
        ),
        ({"photos": [b"1"]}, {"column": "photo"}, r"no column 'photo'. Did you mean 'photos'"),
        ({"line": [3]}, {}, "'line' holds Int64: lines are paths or bytes"),
        ({"line": ["a"]}, {"folder": "/not/here"}, "there is no folder"),
    ],
)
def test_columns_and_folders_are_checked(table, settings, said):
    (name, values), *_ = table.items()
    with pytest.raises(DataError, match=said):
        Lines(**settings).fit(catalogue(values, name=name))


def test_paths_may_be_categories(write):
    folder = write("lines/a.txt", "1 2").parent
    column = pl.Series(["a.txt", None, "a.txt"], dtype=pl.Categorical)
    found = encoded(catalogue(column), folder=str(folder))
    assert found.tolist() == [[1, 2, 0], [1, 2, 1], [1, 2, 0]]


def test_columns_are_found_by_name_in_any_case():
    assert Lines().fit(catalogue([b"1 2"], name="Line_Path")).column_ == "Line_Path"


def test_arrivals_need_the_column():
    model = Lines().fit(catalogue([b"1 2"]))
    with pytest.raises(DataError, match="no column 'line'"):
        model.encode(catalogue([b"1 2"], name="lines"))


@pytest.mark.parametrize("setting", [{"batch_size": 0}, {"on_error": "ignore"}, {"column": 3}])
def test_settings_are_checked(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        Lines(**setting)


def test_a_copy_leaves_the_model_behind():
    model = Lines().fit(catalogue([b"1 2"]))
    model._model = object()
    twin = copy.deepcopy(model)
    assert "_model" not in vars(twin)
    assert twin.column_ == "line"


def test_nothing_is_said_where_all_is_well():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoded(catalogue([b"1 2", None]))


def test_bytes_need_no_folder():
    found = encoded(catalogue([b"1 2", None, b"3 6"]), folder="/not/here")
    assert found.tolist() == [[1, 2, 0], [2, 4, 1], [3, 6, 0]]


def test_one_error_tells_of_items_that_nobody_touched_too():
    data = catalogue([b"1", b"x", b"2", b"y"], warm=3)
    with pytest.raises(DataError, match="2 of 4 lines cannot be used"):
        Lines().fit(data)
    with pytest.warns(RuntimeWarning, match="2 of 4 lines"):
        found = Lines(on_error="skip").fit(data)
    assert found.typical_.tolist() == [1.5]


def test_files_that_are_plainly_not_there_are_told_without_decoding(tmp_path, log):
    (tmp_path / "whole.txt").write_text("3 4")
    (tmp_path / "empty.txt").touch()
    data = catalogue(["whole.txt", "empty.txt", None, "../else.txt", "gone.txt", " "])
    lenient = Lines(folder=str(tmp_path), on_error="skip")
    given, faults = lenient.looked_for(data.items)
    assert given == 4
    assert faults.startswith("3 of 4 lines cannot be used: empty.txt of item 'i1': ")
    assert "gone.txt of item 'i4': there is no such file" in faults
    assert not log["decoded"]
    with pytest.raises(DataError, match=r"3 of 4 lines .*on_error=.skip"):
        Lines(folder=str(tmp_path)).looked_for(data.items)
    (tmp_path / "empty.txt").write_text("1 2")
    assert Lines(folder=str(tmp_path)).looked_for(data.items.head(3)) == (2, "")
