"""Lists as they are shown: what rerankers get, and whose lines are whose."""

from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pytest

from palate.core.histories import history_of_items
from palate.core.ids import Ids
from palate.core.topk import rank_rows
from palate.core.types import Recommendations
from palate.pipeline import lists
from palate.pipeline.lists import reranked_rows

N_ITEMS = 300
IDS = Ids([f"i{row}" for row in range(N_ITEMS)])


class Rising:
    """Later items score higher, from the newest item of the history on, round and round."""

    def score(self, histories):
        start = histories.newest()[:, None]
        return ((np.arange(N_ITEMS) - start) % N_ITEMS).astype(np.float32)


@dataclass
class Turned:
    """Puts each list upside down, person by person, and notes what it was given."""

    given: list = field(default_factory=list)

    def rerank(self, recommendations, histories):
        table = recommendations.table
        self.given.append((table, histories))
        back = (pl.len().over("user_id") + 1 - pl.col("rank")).cast(pl.Int32)
        table = table.with_columns(rank=back).sort("user_id", "rank", maintain_order=True)
        return Recommendations(table)


def asking(histories, names=None):
    return history_of_items(IDS, histories, user_ids=names)


def test_without_rerankers_nothing_is_done():
    histories = asking([["i3"], ["i40", "i9"]])
    found = reranked_rows(Rising(), [], histories, 7)
    wanted = rank_rows(Rising(), histories, 7)
    assert all(np.array_equal(one, other) for one, other in zip(found, wanted, strict=True))


@pytest.mark.parametrize(("k", "depth"), [(1, 100), (10, 100), (12, 120), (40, N_ITEMS)])
def test_rerankers_get_more_than_is_shown(k, depth):
    turned = Turned()
    rows, scores = reranked_rows(Rising(), [turned], asking([["i3"]]), k, exclude_seen=False)
    assert len(turned.given[0][0]) == depth
    ranked, values = rank_rows(Rising(), asking([["i3"]]), depth, exclude_seen=False)
    assert rows.tolist() == [ranked[0, ::-1][:k].tolist()]
    assert scores.tolist() == [values[0, ::-1][:k].tolist()]


def test_one_person_asks_again_and_again(monkeypatch):
    monkeypatch.setattr(lists, "_LINES", 350)
    names = ["v", "u", "v", "v", "u", "w", "v"]
    histories = asking([[f"i{10 * row}"] for row in range(7)], names)
    turned, done = Turned(), []
    rows, _ = reranked_rows(Rising(), [turned], histories, 5, progress=done.append)
    for row in range(7):
        alone, _ = reranked_rows(Rising(), [Turned()], histories.take(slice(row, row + 1)), 5)
        assert rows[row].tolist() == alone[0].tolist()
    assert len({tuple(row) for row in rows.tolist()}) == 7
    assert sum(done) == 7
    for table, some in turned.given:
        assert some.user_ids.is_unique().all()
        assert table["user_id"].unique(maintain_order=True).equals(some.user_ids)


def test_requests_without_a_list_and_short_lists():
    everything = IDS.tolist()
    histories = asking([["i3"], everything, everything[:-2], ["i9"]], ["u", "u", "u", "v"])
    rows, scores = reranked_rows(Rising(), [Turned()], histories, 3)
    assert rows[1].tolist() == [-1, -1, -1]
    assert np.isneginf(scores[1]).all()
    assert sorted(rows[2].tolist()) == [-1, 298, 299]
    assert (rows[[0, 3]] >= 0).all()
    few, _ = reranked_rows(Rising(), [Turned()], histories, 3, candidates=np.array([7, 5]))
    assert sorted(few[0].tolist()) == [-1, 5, 7]
    nobody, _ = reranked_rows(Rising(), [Turned()], asking([]), 3)
    assert nobody.shape == (0, 3)


def test_rerankers_work_one_after_the_other():
    once, twice = [Turned()], [Turned(), Turned()]
    plain, _ = reranked_rows(Rising(), [], asking([["i3"]]), 5)
    assert not np.array_equal(reranked_rows(Rising(), once, asking([["i3"]]), 5)[0], plain)
    assert np.array_equal(reranked_rows(Rising(), twice, asking([["i3"]]), 5)[0], plain)
