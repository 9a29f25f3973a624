"""Random language models of 16 dimensions, one of every kind, that read a handful of words."""

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

WORDS = ["tea", "bike", "jazz", "green", "old", "的", "科幻", "cheap"]


def save_tokenizer(folder, *, framed):
    """Words split at spaces; with [CLS] and [SEP] around them if `framed`."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {word: row for row, word in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if framed:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]"}
    names |= {"cls_token": "[CLS]", "sep_token": "[SEP]"} if framed else {}
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
    fast.save_pretrained(folder)


def small(config, **more):
    sizes = {
        "vocab_size": len(WORDS) + 4,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 40,
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "initializer_range": 0.5,
    }
    return config(**sizes | more)


def make(kind):
    """(model, whether the tokenizer frames texts)."""
    t = transformers
    torch.manual_seed(5)
    if kind == "bert":
        return t.BertModel(small(t.BertConfig)), True
    if kind == "roberta":
        return t.RobertaModel(small(t.RobertaConfig)), True
    if kind == "distilbert":
        sizes = {"dim": 16, "hidden_dim": 32, "n_layers": 2, "n_heads": 2}
        config = t.DistilBertConfig(
            vocab_size=12, max_position_embeddings=40, initializer_range=0.5, **sizes
        )
        return t.DistilBertModel(config), True
    if kind == "albert":
        return t.AlbertModel(small(t.AlbertConfig, embedding_size=8)), True
    if kind == "mpnet":
        return t.MPNetModel(small(t.MPNetConfig)), True
    if kind == "gpt2":
        sizes = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 40}
        config = t.GPT2Config(vocab_size=12, initializer_range=0.5, **sizes)
        return t.GPT2LMHeadModel(config), False
    if kind == "t5":
        sizes = {"d_model": 16, "d_ff": 32, "d_kv": 8, "num_layers": 2, "num_heads": 2}
        return t.T5ForConditionalGeneration(t.T5Config(vocab_size=12, **sizes)), True
    names = {"llama": "Llama", "qwen3": "Qwen3", "gemma": "Gemma"}
    config = getattr(t, f"{names[kind]}Config")
    more = {"num_key_value_heads": 1, "head_dim": 8}
    return getattr(t, f"{names[kind]}ForCausalLM")(small(config, **more)), False
