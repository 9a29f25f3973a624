"""The same partitions on a cluster of two workers, one of which may die."""

import sys

import polars as pl
import pytest

from palate.core.errors import ConfigError, DataError, MissingExtraError
from palate.features.batch import ray as ray_module
from palate.features.batch.job import encode_table


@pytest.fixture(scope="module")
def cluster(modules):
    """Two workers for all tests of this file."""
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(modules))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=ray_module.STORE_BYTES,
            logging_level="ERROR",
            log_to_driver=False,
        )
        yield ray
        ray.shutdown()


def files(out):
    return {path.name: path.read_bytes() for path in sorted(out.glob("*.parquet"))}


@pytest.fixture
def on_two(cluster, spec, letters, tmp_path, monkeypatch):
    """`on_two(table, out)` encodes on the cluster, whose workers find the encoder."""

    def on_two(path, out, spec=spec, **options):
        reader = f"{spec}:marks={tmp_path}"
        options = {"partition_rows": 5, "workers": 2, "engine": "ray"} | options
        return encode_table(path, reader, tmp_path / out, **options)

    return on_two


def test_a_worker_that_dies_costs_nothing_but_time(on_two, table, spec, tmp_path):
    path = table(43, row12="die once", row30=None, row33="the same", row34="the same")
    with pytest.warns(RuntimeWarning, match=r"partition 2 .*the worker died and is replaced"):
        report = on_two(path, "far")
    assert (tmp_path / "died").exists()
    assert (report.files, report.written, report.kept, report.missing) == (9, 43, 0, 1)
    near = encode_table(path, f"{spec}:harmless=true", tmp_path / "near", partition_rows=5)
    assert files(tmp_path / "far") == files(tmp_path / "near")
    again = on_two(path, "far")
    assert (again.kept, again.encoded) == (9, 0)
    (tmp_path / "far" / sorted(files(tmp_path / "far"))[4]).unlink()
    assert on_two(path, "far").kept == 8
    assert files(tmp_path / "far") == files(tmp_path / "near")
    assert near.files == 9


def test_photos_are_done_again_where_a_worker_dies(on_two, cluster, media_spec, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    lines = [f"{row} {row * row % 7}" for row in range(17)]
    lines[7], lines[12] = "7 0 die once", "words"
    for row, line in enumerate(lines):
        (folder / f"{row}.txt").write_text(line)
    names = [None if row == 9 else f"{row}.txt" for row in range(17)]
    path = tmp_path / "album.parquet"
    pl.DataFrame({"item_id": [f"i{row}" for row in range(17)], "line": names}).write_parquet(path)
    options = {"folder": folder, "on_error": "skip"}
    with pytest.warns(RuntimeWarning) as warned:
        report = on_two(path, "far", media_spec, **options)
    said = " ".join(str(warning.message) for warning in warned)
    assert "partition 1 (" in said
    assert "the worker died and is replaced" in said
    assert (report.written, report.missing, report.bad, report.files) == (16, 1, 1, 4)
    near = f"{media_spec}:marks={tmp_path}"
    with pytest.warns(RuntimeWarning, match="1 row was left out"):
        encode_table(path, near, tmp_path / "near", partition_rows=5, **options)
    assert files(tmp_path / "far") == files(tmp_path / "near")
    with pytest.warns(RuntimeWarning, match="1 row was left out"):
        assert on_two(path, "far", media_spec, **options).kept == 4


@pytest.mark.filterwarnings("ignore:.*the worker died and is replaced:RuntimeWarning")
def test_a_partition_that_kills_every_worker_is_named(on_two, table, spec, tmp_path):
    path = table(23, row7="die always")
    with pytest.raises(DataError, match=r"partition 1 \(.*row 6, to .*row 10\): its worker died 3"):
        on_two(path, "one")
    with pytest.raises(DataError, match=r"1 of 5 partitions failed, the others are in .*died 3"):
        on_two(path, "other", on_error="skip")
    assert [name[:10] for name in files(tmp_path / "other")] == [
        f"part-{number:05d}" for number in (0, 2, 3, 4)
    ]
    cured = encode_table(path, f"{spec}:harmless=true", tmp_path / "other", partition_rows=5)
    assert (cured.kept, cured.files) == (4, 5)


def test_bad_rows_are_left_out_there_too(on_two, table, spec, tmp_path):
    path = table(23, row8="unreadable", row21="a nanny")
    with pytest.raises(DataError, match="cannot read 'unreadable'"):
        on_two(path, "far")
    with pytest.warns(RuntimeWarning, match="2 rows"):
        on_two(path, "far", on_error="skip")
    with pytest.warns(RuntimeWarning, match="2 rows"):
        encode_table(path, spec, tmp_path / "near", partition_rows=5, on_error="skip")
    assert files(tmp_path / "far") == files(tmp_path / "near")


def test_what_a_worker_lacks_ends_the_job_and_all_workers(on_two, cluster, table):
    with pytest.raises(ConfigError, match="on a worker: no such model here"):
        on_two(table(23, row3="unwanted"), "far", on_error="skip")
    assert on_two(table(23), "far").written == 23  # there is room for two workers again
    assert cluster.is_initialized()


class Cluster:
    """Ray, as far as a beginning and an end go."""

    def __init__(self, running):
        self.running, self.asked, self.up = running, [], False

    def is_initialized(self):
        return self.up

    def init(self, address, **settings):
        self.asked.append((address, settings.get("num_cpus")))
        if address == "auto" and not self.running:
            raise ConnectionError("no cluster")
        self.up = True

    def shutdown(self):
        self.up = False


def test_a_cluster_that_runs_is_used_else_one_of_this_machine(monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setattr(ray_module, "cores", lambda: 3)
    for running, asked in ((True, [("auto", None)]), (False, [("auto", None), ("local", 5)])):
        ray = Cluster(running)
        with ray_module._cluster(ray, 5):
            assert ray.up
            with ray_module._cluster(ray, 5):
                pass
            assert ray.up, "who began it ends it"
        assert not ray.up
        assert ray.asked == asked


def test_without_ray(table, spec, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'palate\[ray\]'"):
        encode_table(table(), spec, tmp_path / "out", engine="ray")


@pytest.mark.parametrize(
    ("cluster", "workers", "count", "share"),
    [
        ({"CPU": 8.0}, None, 8, {"num_cpus": 1, "num_gpus": 0}),
        ({"CPU": 8.0}, 3, 3, {"num_cpus": 2, "num_gpus": 0}),
        ({"CPU": 8.0, "GPU": 2.0}, None, 2, {"num_cpus": 4, "num_gpus": 1}),
        ({"CPU": 8.0, "GPU": 2.0}, 4, 4, {"num_cpus": 2, "num_gpus": 0}),
        ({}, None, 1, {"num_cpus": 1, "num_gpus": 0}),
    ],
)
def test_what_a_worker_may_use(cluster, workers, count, share):
    assert ray_module._shares(cluster, workers) == (count, share)
