from pathlib import Path
from typing import Any

import numpy as np
import pytest

from palate.core.errors import ConfigError, DataError
from palate.core.split import Split
from palate.evaluation.published.formats import Benchmark, load_benchmark

SEQUENCE = {"sequential_data.txt": ["u1 3 0 5 2 6", "u2 1 4 0", "u3 2 6 2 6", "u4 5"]}


@pytest.fixture
def benchmark_(folder: Any) -> Benchmark:
    return load_benchmark("sequence", folder(SEQUENCE, name="toys"))


def trained(split: Split) -> list[tuple[str, ...]]:
    return split.train.interactions.select("user_id", "item_id").rows()


def asked(split: Split) -> dict[str, list[str]]:
    ids = split.histories.item_ids
    return {
        user: [ids[row] for row in split.histories.row(at)]
        for at, user in enumerate(split.histories.user_ids)
    }


def answers(split: Split) -> list[str]:
    return [split.train.item_ids[row] for row in split.sealed.items]


def test_strict_learns_from_training_events_only(benchmark_: Benchmark) -> None:
    strict = [
        ("u1", "3"),
        ("u1", "0"),
        ("u1", "5"),
        ("u2", "1"),
        ("u3", "2"),
        ("u3", "6"),
        ("u4", "5"),
    ]
    assert trained(benchmark_.test) == strict
    assert trained(benchmark_.validation) == strict


def test_refit_adds_validation_events_and_asks_the_same(benchmark_: Benchmark) -> None:
    assert trained(benchmark_.refit) == [
        *[("u1", item) for item in "3052"],
        *[("u2", item) for item in "14"],
        *[("u3", item) for item in "262"],
        ("u4", "5"),
    ]
    assert benchmark_.refit.histories is benchmark_.test.histories
    assert benchmark_.refit.sealed is benchmark_.test.sealed


def test_requests_and_answers(benchmark_: Benchmark) -> None:
    assert asked(benchmark_.test) == {"u1": list("3052"), "u2": list("14"), "u3": list("262")}
    assert answers(benchmark_.test) == ["6", "0", "6"]
    assert asked(benchmark_.validation) == {"u1": list("305"), "u2": ["1"], "u3": list("26")}
    assert answers(benchmark_.validation) == ["2", "4", "2"]


def test_histories_hold_no_answer_beyond_their_rows(benchmark_: Benchmark) -> None:
    for split in (benchmark_.test, benchmark_.validation):
        assert len(split.histories.items) == split.histories.lengths.sum()
        assert np.array_equal(split.sealed.stops - split.sealed.starts, np.ones(3))


def test_the_catalogue_is_whole_in_every_part(benchmark_: Benchmark) -> None:
    for split in (benchmark_.test, benchmark_.validation, benchmark_.refit):
        assert split.train.items["item_id"].to_list() == list("0123456")


def test_what_a_benchmark_says_of_itself(benchmark_: Benchmark) -> None:
    assert (benchmark_.name, benchmark_.format, benchmark_.ks) == ("toys", "sequence", (5, 10, 20))
    assert [split.name for split in (benchmark_.test, benchmark_.validation, benchmark_.refit)] == [
        "toys, strict",
        "toys, validation",
        "toys, refit",
    ]
    assert benchmark_.published == []
    assert benchmark_.notes[-2:] == [
        "What a person already has is masked.",
        "1 of 3 answers are masked: nobody can find them.",
    ]


def test_the_mask_can_be_taken_off(folder: Any) -> None:
    home = folder(SEQUENCE)
    assert load_benchmark("sequence", home).test.exclude_seen
    bare = load_benchmark("sequence", home, mask=False)
    for split in (bare.test, bare.validation, bare.refit):
        assert not split.exclude_seen
    assert "The history is not masked." in bare.notes
    assert any("do not compare" in note for note in bare.notes)


UNISREC = {
    "P.text": ["item_id:token\ttext:token_seq", "a\tpen", "b\tink", "c\tcup"],
    "P.item2index": ["a\t0", "b\t1", "c\t2"],
    "P.train.inter": ["user_id:token\titem_id_list:token_seq\titem_id:token", "7\t2\t0"],
    "P.valid.inter": ["user_id:token\titem_id_list:token_seq\titem_id:token", "7\t2 0\t2"],
    "P.test.inter": ["user_id:token\titem_id_list:token_seq\titem_id:token", "7\t2 0 2\t1"],
}
MINIONEREC = {
    "items.json": {"0": {"title": "pen"}, "1": {"title": "ink"}, "2": {"title": "cup"}},
    "valid.csv": ["user_id,history_item_id,item_id", 'u,"[2, 0]",2'],
    "test.csv": ["user_id,history_item_id,item_id", 'u,"[2, 0, 2]",1'],
}


@pytest.mark.parametrize(
    ("format", "files", "ks"),
    [("unisrec", UNISREC, (10, 50)), ("minionerec", MINIONEREC, (3, 5, 10))],
)
def test_row_formats_do_not_mask(
    folder: Any, format: str, files: dict[str, Any], ks: tuple[int, ...]
) -> None:
    home = folder(files)
    found = load_benchmark(format, home)
    assert found.ks == ks
    assert not found.test.exclude_seen
    assert load_benchmark(format, home, mask=True).test.exclude_seen
    assert [item for _, item in trained(found.test)] == ["2", "0"]
    assert [item for _, item in trained(found.refit)] == ["2", "0", "2"]
    assert answers(found.validation) == ["2"]
    assert answers(found.test) == ["1"]


def test_a_prefix_names_the_benchmark(folder: Any) -> None:
    assert load_benchmark("unisrec", folder(UNISREC) / "P").name == "P"


def test_an_unknown_format_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'sequnce'. Did you mean 'sequence'\? Known: mini"):
        load_benchmark("sequnce", tmp_path)


def test_nothing_to_learn_from_is_an_error(folder: Any) -> None:
    files = {
        "items.json": {"0": {"title": "pen"}},
        "valid.csv": ["user_id,history_item_id,item_id", "u,[],0"],
        "test.csv": ["user_id,history_item_id,item_id", "v,[],0"],
    }
    with pytest.raises(DataError, match="no training events"):
        load_benchmark("minionerec", folder(files))


@pytest.mark.parametrize(
    ("users", "items", "row"),
    [
        (19_412, 11_924, "ICSRec"),
        (35_598, 18_357, "BSARec (RecBoard)"),
        (30_431, 20_033, "SASRec with an LLM in the loop (second-hand)"),
    ],
    ids=["toys", "sports", "yelp"],
)
def test_other_sets_in_the_format_of_beauty(folder: Any, users: int, items: int, row: str) -> None:
    lines = [
        " ".join([str(user), *(str((3 * user + step) % items) for step in range(3))])
        for user in range(users)
    ]
    catalogue = [{"item_id": name, "title": f"thing {name}"} for name in range(items)]
    home = folder({"sequential_data.txt.gz": lines, "items.jsonl.gz": catalogue}, "set")
    found = load_benchmark("sequence", home)
    assert len(found.test.histories) == users
    assert row in [known.title for known in found.published]
    assert all(known.source for known in found.published if known.name != "TIGER")


def test_another_set_in_the_format_of_office(folder: Any) -> None:
    header = "user_id,history_item_id,item_id"
    rows = [f'u{user},"[{user % 3_686}]",{(user + 1) % 3_686}' for user in range(4_533)]
    catalogue = {str(name): {"title": f"thing {name}"} for name in range(3_686)}
    home = folder(
        {"items.json": catalogue, "valid.csv": [header, rows[0]], "test.csv": [header, *rows]}
    )
    found = load_benchmark("minionerec", home)
    assert "V-STAR" in [known.title for known in found.published]
    assert not found.test.exclude_seen


def test_what_contradicts_itself_is_a_note(folder: Any) -> None:
    header = "user_id,history_item_id,item_id"
    rows = [f'u{user},"[{user % 3_459}]",{(user + 1) % 3_459}' for user in range(4_866)]
    catalogue = {str(name): {"title": f"thing {name}"} for name in range(3_459)}
    home = folder(
        {"items.json": catalogue, "valid.csv": [header, rows[0]], "test.csv": [header, *rows]}
    )
    notes = load_benchmark("minionerec", home).notes
    assert [note for note in notes if note.startswith("S-DPO") and note.endswith("not printed.")]
