import json
import shutil

import numpy as np
import pytest

from palate.core.errors import ConfigError
from palate.features.encoders.transformer import Transformer
from palate.nn.language.folder import load_language_model, prompts_of, read_recipe

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


def folder_with(source, place, *, pooling=None, dense=None, prompts=None):
    folder = shutil.copytree(source, place)
    modules = [{"path": "", "type": "Transformer"}, {"path": "1_Pooling", "type": "Pooling"}]
    modules += [] if dense is None else [{"path": "2_Dense", "type": "Dense"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    for path, content in (("1_Pooling", pooling), ("2_Dense", dense)):
        if content is not None:
            (folder / path).mkdir()
            (folder / path / "config.json").write_text(json.dumps(content))
    if prompts is not None:
        (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    return folder


@pytest.mark.parametrize(
    ("said", "kinds"),
    [
        ({"pooling_mode": ["max", "cls"]}, ("max", "cls")),
        ({"pooling_mode": "lasttoken"}, ("last",)),
        (
            {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
            ("cls", "mean"),
        ),
        (
            {"pooling_mode_lasttoken": True, "pooling_mode_weightedmean_tokens": True},
            ("position", "last"),
        ),
    ],
)
def test_several_poolings_stand_in_the_order_of_sentence_transformers(
    said, kinds, folders, tmp_path
):
    folder = folder_with(folders("bert")[0], tmp_path / "st", pooling=said)
    assert read_recipe(folder).pooling.kinds == kinds
    peers = pytest.importorskip("sentence_transformers.sentence_transformer.modules.pooling")
    peer = peers.Pooling(embedding_dimension=3, pooling_mode=_peer_modes(said)).pooling_mode
    named = {"lasttoken": "last", "weightedmean": "position"}
    listed = [peer] if isinstance(peer, str) else peer
    assert tuple(named.get(one, one) for one in listed) == kinds


def _peer_modes(said):
    from sentence_transformers.sentence_transformer.modules import pooling

    content = dict(said)
    pooling._convert_legacy_pooling_kwargs(content)
    return content["pooling_mode"]


def test_parts_without_their_settings_are_refused(folders, tmp_path):
    folder = folder_with(folders("bert")[0], tmp_path / "st")
    with pytest.raises(ConfigError, match=r"1_Pooling.*cannot be read"):
        read_recipe(folder)
    dense = {"in_features": 16, "out_features": 4, "use_residual": True}
    folder = folder_with(folders("bert")[0], tmp_path / "more", pooling={}, dense=dense)
    with pytest.raises(ConfigError, match=r"2_Dense adds what it is given"):
        read_recipe(folder)


def test_a_prompt_that_pooling_leaves_out_is_refused(folders, tmp_path):
    folder = folder_with(
        folders("bert")[0],
        tmp_path / "st",
        pooling={"pooling_mode": "mean", "include_prompt": False},
    )
    assert Transformer(model=str(folder), dtype="float32").encode_texts(["tea"]).any()
    with pytest.raises(ConfigError, match="leaves its prompt out"):
        Transformer(model=str(folder), prefix="old ").encode_texts(["tea"])
    assert Transformer(model=str(folder), prefix="old ", pooling="cls")._prefixes == ("old ", "")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"prompts": {"passage": "p ", "document": "d ", "query": "q "}}, ("d ", "q ")),
        ({"prompts": {"corpus": "c "}}, ("c ", "")),
        ({"prompts": {"own": "o ", "query": "q "}, "default_prompt_name": "own"}, ("o ", "q ")),
        ({"prompts": {"query": "q ", "document": ""}, "default_prompt_name": "query"}, ("", "q ")),
    ],
)
def test_prompts_are_chosen_as_sentence_transformers_chooses(said, words, folders, tmp_path):
    folder = folder_with(folders("bert")[0], tmp_path / "st", pooling={}, prompts=said)
    assert prompts_of(read_recipe(folder), "st") == words


def test_only_plain_e5_has_words_of_its_own(folders, tmp_path):
    recipe = read_recipe(folders("bert")[0])
    assert prompts_of(recipe, "multilingual-e5-large-instruct") == ("", "")
    assert prompts_of(recipe, "e5-base-v2") == ("passage: ", "query: ")
    folder = shutil.copytree(folders("bert")[0], tmp_path / "e5-tiny")
    assert Transformer(model=f"{folder}/")._prefixes == ("passage: ", "query: ")


def test_the_encoder_of_t5_alone_is_enough(folders, tmp_path):
    whole, _ = folders("t5")
    alone = shutil.copytree(whole, tmp_path / "alone")
    (alone / "model.safetensors").unlink()
    transformers.T5EncoderModel.from_pretrained(whole).save_pretrained(alone)
    first, second = (
        Transformer(model=str(folder), dtype="float32", backend="torch").encode_texts(["tea bike"])
        for folder in (whole, alone)
    )
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_no_room_is_taken_by_positions_before_the_first(tmp_path, folders):
    folder = shutil.copytree(folders("roberta")[0], tmp_path / "xl")
    (folder / "model.safetensors").unlink()
    config = transformers.XLMRobertaXLConfig(
        vocab_size=12,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
        pad_token_id=1,
    )
    transformers.XLMRobertaXLModel(config).save_pretrained(folder)
    assert load_language_model("xl", folder).most_tokens == 38
    long = Transformer(model=str(folder), dtype="float32", backend="torch")
    assert long.encode_texts(["tea " * 99]).any()


def test_code_in_a_folder_is_neither_run_nor_asked_about(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("builtins.input", lambda *said: asked.append(said) or "n")
    settings = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    (tmp_path / "own.py").write_text("raise SystemExit(3)")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        Transformer(model=str(tmp_path)).encode_texts(["a"])
    assert not asked


def test_layers_that_are_not_there_are_named_for_tokens_too(folders):
    with pytest.raises(ConfigError, match=r"layers = 9.*has 2 layers"):
        Transformer(model=str(folders("bert")[0]), layers=9).encode_tokens(["tea"])


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("1_Pooling/config.json", [], "holds no settings by name"),
        ("sentence_bert_config.json", {"max_seq_length": "many"}, "max_seq_length is 'many'"),
        ("config_sentence_transformers.json", {"prompts": ["a"]}, r"its prompts are \['a'\]"),
        ("config_sentence_transformers.json", 7, "holds no settings by name"),
    ],
)
def test_settings_of_another_kind_are_named(file, content, told, tmp_path, folders):
    folder = folder_with(folders("bert")[0], tmp_path / "odd", pooling={"pooling_mode": "mean"})
    (folder / file).write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=told):
        read_recipe(folder)


def test_a_model_without_a_tokenizer_is_refused(tmp_path, folders):
    folder = shutil.copytree(folders("bert")[0], tmp_path / "mute")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match="has no tokenizer, so it cannot read words"):
        load_language_model("mute", folder)
