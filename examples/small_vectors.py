"""Vectors in a quarter, and in a thirtieth, of their bytes: what still finds the same neighbours.

The catalogue is made up; its texts go through the packaged language model.
"""

import numpy as np

import palate
from palate.data.samples import synthetic


def main() -> None:
    data = synthetic(n_items=1500, seed=2)
    encoder = palate.TextEncoder().fit(data)
    vectors = encoder.encode(data).values
    asked = encoder.encode_texts([f"something about {word}" for word in ("tea", "the moon")])
    queries = np.vstack([asked, vectors[::10]])

    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    exact = np.argsort(-(queries @ units.T), axis=1)[:, :10]
    kept = {
        "int8": palate.QuantizedIndex.of(vectors, bits=8),
        "one bit": palate.QuantizedIndex.of(vectors, bits=1),
        "one bit, then int8": palate.QuantizedIndex.of(vectors, bits=1, rescore="int8"),
    }
    for name, index in kept.items():
        rows, _ = index.search(queries, k=10, oversample=5)
        shared = [len(np.intersect1d(*pair)) for pair in zip(rows, exact, strict=True)]
        smaller = vectors.nbytes / index.nbytes
        print(f"{name}: {smaller:.1f} times smaller, {np.mean(shared) / 10:.0%} of the ten nearest")

    small = palate.Pipeline(
        encoders={"text": palate.TextEncoder()},
        representation=[palate.Whiten(), palate.Quantize(bits=8)],
        recommender=palate.Content(),
    ).fit(data)
    found = small.recommend(text="a telescope for watching the moon", k=1)
    titles = dict(data.items.select("item_id", "title").iter_rows())
    print(f"with eight bits a number: {titles[found.table['item_id'][0]]}")


if __name__ == "__main__":
    main()
