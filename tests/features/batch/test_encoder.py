"""Encoders by what a person types."""

from dataclasses import dataclass, field

import numpy as np
import pytest

import palate
from palate.core.component import learnt
from palate.core.errors import ConfigError
from palate.core.features import Features
from palate.features.batch import encoder, text_rows
from palate.features.batch.encoder import encoder_of
from palate.features.batch.job import encode_table


def test_settings_have_the_types_that_the_encoder_wants():
    assert encoder_of("muse") == palate.TextEncoder()
    assert encoder_of("muse:") == palate.TextEncoder()
    assert encoder_of("muse:max_chars=20,template={a}, {b}") == palate.TextEncoder(
        max_chars=20, template="{a}, {b}"
    )
    found = encoder_of("transformer:model=C:\\models=1,prefix=query: ,max_tokens=12")
    assert (found.model, found.prefix, found.max_tokens) == ("C:\\models=1", "query: ", 12)
    given = palate.TextEncoder(max_chars=7)
    assert encoder_of(given) is given


def test_somebody_elses_encoder(spec, letters):
    assert encoder_of(f"{spec}:dim=3") == letters.Letters(dim=3)
    assert encoder_of(f"{spec}:marks=7,harmless=true") == letters.Letters(marks="7", harmless=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("us", "Did you mean 'muse'"),
        ("", "names no encoder"),
        ("muse:max_chars=many", r"max_chars = 'many' cannot be used"),
        ("muse:max_char=3", "Did you mean 'max_chars'"),
        ("muse:max_chars", "settings are written key=value"),
        ("muse:max_chars=3;", r"max_chars = '3;' cannot be used"),
        (
            "attributes",
            "attributes is no encoder of texts, photos or sounds: .*audio, .*muse, .* are",
        ),
        ("minilm", "write transformer:model=minilm"),
        ("tfidf:x=1", "tfidf"),
        ("nowhere:Class", "cannot be imported"),
    ],
)
def test_what_names_no_encoder(text, said):
    with pytest.raises(ConfigError, match=said):
        encoder_of(text)


@dataclass(kw_only=True)
class Plain:
    """Settings and nothing else."""

    model: str = ""
    size: int = 3


@dataclass(kw_only=True)
class Learner:
    """Learns the longest text of those that it is fitted on."""

    column: str = "title"
    shown: list[int] = field(default_factory=list)

    longest_: int = learnt()

    def fit(self, data):
        self.longest_ = max(map(len, data.items[self.column]))
        return self

    def encode(self, data):
        return Features(data.item_ids, {"learner": self.encode_texts(data.items[self.column])})

    def encode_texts(self, texts):
        return np.array([[len(text) / self.longest_, 1.0] for text in texts], dtype=np.float32)


def test_what_an_encoder_learns_comes_from_the_first_rows(table, tmp_path, monkeypatch):
    monkeypatch.setattr(text_rows, "SAMPLE_ROWS", 4)
    monkeypatch.setattr("palate.core.registry.name_of", lambda _: "learner")
    monkeypatch.setattr("palate.core.registry.find", lambda *_: Learner)
    path = table(9, row1="four", row8="nobody saw this long one")
    encode_table(path, Learner(), tmp_path / "out", partition_rows=3, template="{title}")
    features = palate.read_features(tmp_path / "out")
    longest = len("aaabee 3")
    assert features.values[1, 0] == 4 / longest
    assert features.values[8, 0] == len("nobody saw this long one") / longest
    encode_table(path, Learner(), tmp_path / "out", partition_rows=3, template="{title}")
    with pytest.raises(palate.PalateError, match="learns from have changed"):
        encode_table(
            table(9, row2="one much longer"),
            Learner(),
            tmp_path / "out",
            partition_rows=3,
            template="{title}",
        )


def test_a_machine_with_other_weights_refuses(table, spec, letters, tmp_path, monkeypatch):
    from palate.features.batch import plan

    monkeypatch.setattr(plan, "fingerprint_of", lambda _: "letters-elsewhere")
    with pytest.raises(ConfigError, match="would make other vectors on this machine"):
        encode_table(table(), spec, tmp_path / "out")


def test_an_encoder_without_a_name_for_its_vectors(tmp_path, letters):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.safetensors").write_bytes(b"1")
    plain = Plain(model=str(tmp_path / "model"))
    first = encoder.fingerprint_of(plain)
    assert encoder.fingerprint_of(Plain(model=str(tmp_path / "model"))) == first
    (tmp_path / "model" / "weights.safetensors").write_bytes(b"2")
    assert encoder.fingerprint_of(plain) != first
    assert encoder.fingerprint_of(Plain()) != encoder.fingerprint_of(Plain(size=4))
    learner = Learner()
    learner.longest_ = 3
    three = encoder.fingerprint_of(learner)
    learner.longest_ = 4
    assert encoder.fingerprint_of(learner) != three
    learner.longest_ = np.array([3.0])
    learner.longest_ = {3}
    with pytest.raises(ConfigError, match="what it learns holds set"):
        encoder.fingerprint_of(learner)


def test_shapes_that_are_wrong(table, spec, letters, tmp_path, monkeypatch):
    monkeypatch.setattr(letters.Letters, "encode_texts", lambda _, texts: np.zeros((3, 2)))
    with pytest.raises(ConfigError, match=r"shape \(3, 2\) for 23 texts"):
        encode_table(table(23), spec, tmp_path / "out", on_error="skip")


def test_encoders_that_cannot_be_used(table, tmp_path):
    with pytest.raises(ConfigError, match="sparse"):
        encode_table(table(60), palate.Tfidf(), tmp_path / "out")
    with pytest.raises(ConfigError, match="a block of each of title, price"):
        encode_table(table(60), palate.Transformer(columns=["title", "price"]), tmp_path / "blocks")
    odd = palate.TextEncoder()
    odd.max_chars = {1, 2}
    with pytest.raises(ConfigError, match="cannot be told in JSON"):
        encode_table(table(60), odd, tmp_path / "other")
