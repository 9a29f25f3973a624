"""What a language model's settings change: pooling, layers, a block a column, token vectors.

usage: python examples/language_models.py [MODEL]   (by default the packaged MiniLM)
"""

import sys

import numpy as np

import palate
from palate.data.samples import synthetic


def main() -> None:
    model = sys.argv[1] if len(sys.argv) > 1 else "minilm"
    data = synthetic(n_items=60)
    query = "something about the moon and the stars"
    for name, settings in {
        "as the model was trained": {},
        "rare tokens count more": {"pooling": "idf"},
        "tokens count as histories teach": {"pooling": "attention"},
        "mean of the last two layers": {"pooling": "mean", "layers": 2},
        "the first 128 numbers": {"dim": 128},
    }.items():
        encoder = palate.Transformer(model=model, template="{title}", **settings).fit(data)
        vectors = encoder.encode(data).parts["transformer"]
        nearest = np.argsort(-(vectors @ encoder.encode_queries([query])[0]))[:3]
        titles = data.items["title"][nearest.tolist()].to_list()
        print(f"{name} ({vectors.shape[1]} numbers): {'; '.join(titles)}")
    tokens, states = encoder.encode_tokens([query])[0]
    closest = states @ states.mean(axis=0)
    print(f"{len(tokens)} tokens; nearest to their mean: {tokens[int(np.argmax(closest))]!r}")


if __name__ == "__main__":
    main()
