import json
import struct

import pytest
from straight_lines import Line

from palate.core.errors import ArtefactError, MissingExtraError
from palate.nn import tracking
from palate.nn.tracking import runs
from palate.nn.trainer import Training, train


def scalars(folder):
    """(tag, step, value) of every scalar in a folder of TensorBoard's, read record by record."""
    from tensorboardX.proto.event_pb2 import Event

    (path,) = folder.iterdir()
    content, found, start = path.read_bytes(), [], 0
    while start < len(content):
        (length,) = struct.unpack_from("<Q", content, start)
        event = Event.FromString(content[start + 12 : start + 12 + length])
        found += [(one.tag, event.step, one.simple_value) for one in event.summary.value]
        start += 12 + length + 4
    return found


def test_every_epoch_is_noted_in_a_file_and_for_tensorboard(tmp_path):
    with runs(tmp_path):
        curve = train(Line(), Training(epochs=3, learning_rate=0.25), label="the line")
        train(Line(held=0), Training(epochs=1), label="the line")
    first, second = (
        [json.loads(line) for line in (tmp_path / f"the-line-{n}.jsonl").read_text().splitlines()]
        for n in (1, 2)
    )
    assert first[0]["training"] == "the line"
    assert first[0]["settings"]["learning_rate"] == 0.25
    assert [line["epoch"] for line in first[1:]] == [1, 2, 3]
    assert [line["loss"] for line in first[1:]] == [epoch.loss for epoch in curve]
    assert [line["validation"] for line in first[1:]] == [epoch.judged for epoch in curve]
    assert "validation" not in second[1]
    losses = [
        (step, value) for tag, step, value in scalars(tmp_path / "the-line-1") if tag == "loss"
    ]
    assert losses == [(n + 1, pytest.approx(epoch.loss)) for n, epoch in enumerate(curve)]


def test_without_the_extra_there_are_files_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "is_installed", lambda *_: False)
    with runs(tmp_path):
        train(Line(), Training(epochs=1), label="line")
    assert [path.name for path in tmp_path.iterdir()] == ["line-1.jsonl"]


def test_what_is_asked_for_and_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    with pytest.raises(MissingExtraError, match="tracking"), runs(tmp_path, tensorboard=True):
        pass


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with runs(tmp_path / "file"), pytest.raises(ArtefactError, match="cannot be noted"):
        train(Line(), Training(epochs=1), label="line")
