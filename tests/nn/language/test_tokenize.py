from dataclasses import replace
from threading import Event, Thread

import numpy as np
import pytest

from palate.core.dataset import Dataset
from palate.core.errors import ConfigError
from palate.features.encoders.transformer import Transformer
from palate.nn.language import inference, tokenize

pytest.importorskip("transformers")


def encoder(folder, **settings):
    return Transformer(**{"model": str(folder), "dtype": "float32", "backend": "torch"} | settings)


def tokeniser(folder, **settings):
    return encoder(folder, long="chunks", **settings)._tokeniser(settings.get("prefix", ""))


def test_prefix_and_suffix_stand_around_every_piece_of_a_long_text(folders):
    folder, _ = folders("bert")
    settings = {"prefix": "old ", "suffix": " cheap", "max_tokens": 6}
    tokenise = tokeniser(folder, **settings)
    pieces, owners = tokenise(["tea bike jazz green tea", "jazz", "bike tea green"])
    words = [" ".join(tokenise.tokenizer.convert_ids_to_tokens(ids)) for ids in pieces]
    assert words == [
        "[CLS] old tea bike cheap [SEP]",
        "[CLS] old jazz green cheap [SEP]",
        "[CLS] old tea cheap [SEP]",
        "[CLS] old jazz cheap [SEP]",
        "[CLS] old bike tea cheap [SEP]",
        "[CLS] old green cheap [SEP]",
    ]
    assert owners.tolist() == [0, 0, 0, 1, 2, 2]


def test_pieces_with_a_prefix_are_no_more_than_others(folders, monkeypatch):
    monkeypatch.setattr(tokenize, "MOST_CHUNKS", 3)
    pieces, owners = tokeniser(folders("gpt2")[0], prefix="old ", max_tokens=3)(["tea " * 50, "x"])
    assert [len(ids) for ids in pieces] == [3, 3, 3, 2]
    assert owners.tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("words", [{"prefix": "old " * 9}, {"suffix": " old" * 50}])
def test_words_that_leave_no_room_for_a_text_are_refused(words, folders):
    short = encoder(folders("bert")[0], max_tokens=8 if "prefix" in words else 500, **words)
    with pytest.raises(ConfigError, match="leaves no room for texts"):
        short.encode_texts(["tea"])


def sentencepiece(kind):
    """As Llama's: words begin with "▁", and so does whatever stands first."""
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    pieces = ["<unk>", "<s>", "▁", *'teabm"', "te", "tea", "▁tea", "▁m", "me", "▁b"]
    merges = [("t", "e"), ("te", "a"), ("▁", "tea"), ("▁", "m"), ("m", "e"), ("▁", "b")]
    vocabulary = {piece: row for row, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>"))
    if kind == "legacy":
        parts = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        tokenizer.normalizer = normalizers.Sequence(parts)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=kind, split=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


@pytest.mark.parametrize("suffix", ['" me', "b", " me", '"'])
@pytest.mark.parametrize("kind", ["legacy", "first", "always"])
def test_words_around_a_text_are_cut_as_in_the_whole_string(kind, suffix):
    tokenizer = sentencepiece(kind)
    texts = ["tea", "tea tea", "b tea"]
    found, _ = tokenize.Tokeniser(tokenizer, 30, prefix="me ", suffix=suffix)(texts)
    assert found == tokenizer([f"me {text}{suffix}" for text in texts])["input_ids"]


def with_end(vocabulary):
    """Bytes, as Qwen3-Embedding's tokenizer reads them: it closes every text itself."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.BPE({sign: row for row, sign in enumerate(vocabulary)}, []))
    tokenizer.add_special_tokens(["<|end|>"])
    end = [("<|end|>", len(vocabulary))]
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    parts = [
        processors.ByteLevel(),
        processors.TemplateProcessing(single="$A <|end|>", special_tokens=end),
    ]
    tokenizer.post_processor = processors.Sequence(parts)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")


@pytest.mark.parametrize("chunks", [False, True])
def test_the_suffix_stands_before_the_end_that_a_tokenizer_adds(chunks):
    from tokenizers.pre_tokenizers import ByteLevel

    tokenizer = with_end(sorted(ByteLevel.alphabet()))
    tokenise = tokenize.Tokeniser(tokenizer, 6, prefix="a", suffix='"b', chunks=chunks)
    said = ["".join(tokenizer.convert_ids_to_tokens(ids)) for ids in tokenise(["tea", "e"])[0]]
    assert said == [
        *(['ate"b<|end|>', 'aa"b<|end|>'] if chunks else ['ate"b<|end|>']),
        'ae"b<|end|>',
    ]


def test_a_tokenizer_that_knows_hardly_a_letter_still_ends_its_texts():
    tokenise = tokenize.Tokeniser(with_end(["t", "1"]), 9, suffix="t")
    assert tokenise(["1", "tt"])[0] == [[1, 0, 2], [0, 0, 0, 2]]
    assert tokenize.Tokeniser(with_end(["t"]), 9)(["1", "tt"])[0] == [[1], [0, 0, 1]]


def test_the_suffix_is_read_in_small_letters_as_the_text_is(folders):
    tokenise = replace(encoder(folders("bert")[0], suffix=" OLD")._tokeniser(""), lower=True)
    (ids,), _ = tokenise(["TEA"])
    assert tokenise.tokenizer.convert_ids_to_tokens(ids) == ["[CLS]", "tea", "old", "[SEP]"]


def test_what_stands_before_a_text_is_never_cut_off(folders, tmp_path):
    import json
    import shutil

    folder = shutil.copytree(folders("bert")[0], tmp_path / "left")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(
        json.dumps(settings | {"truncation_side": "left"})
    )
    tokenise = encoder(folder, max_tokens=5)._tokeniser("old ")
    (ids,), _ = tokenise(["tea bike jazz green"])
    words = tokenise.tokenizer.convert_ids_to_tokens(ids)
    assert words == ["[CLS]", "old", "tea", "bike", "[SEP]"]


def test_a_window_holds_texts_up_to_so_many_characters(folders, monkeypatch):
    monkeypatch.setattr(tokenize, "CHARACTERS", 20)
    seen = []
    call = tokenize.Tokeniser.__call__

    def counted(self, texts):
        seen.append(sum(map(len, texts)))
        return call(self, texts)

    monkeypatch.setattr(tokenize.Tokeniser, "__call__", counted)
    monkeypatch.setattr(inference.Inference, "_check_known", lambda *_: None)
    folder, _ = folders("bert")
    texts = ["tea", "bike jazz", "jazz tea bike", "green tea", "old old old", "cheap"]
    found = encoder(folder).encode_texts(texts)
    assert sum(seen) == sum(map(len, texts))
    assert max(seen) < 20 + 13
    monkeypatch.setattr(tokenize, "CHARACTERS", 2**23)
    np.testing.assert_allclose(found, encoder(folder, dim=16).encode_texts(texts), atol=1e-5)


def test_a_token_is_counted_once_a_text_however_many_pieces_hold_it(folders):
    import polars as pl

    folder, _ = folders("bert")
    items = pl.DataFrame({"item_id": ["a", "b"], "title": ["tea tea tea jazz tea", "bike"]})
    events = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["a", "b"]})
    data = Dataset(interactions=events, items=items)
    settings = {"pooling": "idf", "template": "{title}"}
    cut = encoder(folder, **settings).fit(data)
    pieces = encoder(folder, **settings, long="chunks", max_tokens=4).fit(data)
    np.testing.assert_array_equal(pieces.idf_, cut.idf_)


def test_a_tokenizer_is_asked_by_one_thread_at_a_time(folders):
    tokenise = encoder(folders("bert")[0], suffix=" old")._tokeniser("")
    busy, overlap = Event(), Event()

    class Shared:
        num_special_tokens_to_add = tokenise.tokenizer.num_special_tokens_to_add

        def __call__(self, texts, **settings):
            if busy.is_set():
                overlap.set()
            busy.set()
            overlap.wait(0.05)
            busy.clear()
            return tokenise.tokenizer(texts, **settings)

    shared = Shared()
    threads = [Thread(target=replace(tokenise, tokenizer=shared), args=(["tea"],)) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not overlap.is_set()
