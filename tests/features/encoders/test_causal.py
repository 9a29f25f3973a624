import numpy as np
import pytest

from palate.features.encoders.causal import Causal
from palate.features.encoders.transformer import Transformer

pytest.importorskip("transformers")


def test_the_prompt_stands_around_the_text_and_the_last_state_is_taken(folders):
    folder, _ = folders("gpt2")
    asked = Causal(model=str(folder), dtype="float32", prefix="old ", suffix=" cheap green")
    plain = Transformer(model=str(folder), dtype="float32", pooling="last")
    np.testing.assert_allclose(
        asked.encode_texts(["tea", "jazz bike"]),
        plain.encode_texts(["old tea cheap green", "old jazz bike cheap green"]),
        atol=1e-4,
    )
    assert Causal().prefix == Causal().query_prefix != ""


@pytest.mark.filterwarnings("ignore:.*is unknown to the model")
def test_it_can_be_chosen_by_name(folders):
    from palate.core import registry

    folder, _ = folders("llama")
    made = registry.build("encoders", {"type": "causal", "model": str(folder)}, where="text")
    assert isinstance(made, Causal)
    assert made.encode_texts(["tea", ""])[1].any() == np.False_
