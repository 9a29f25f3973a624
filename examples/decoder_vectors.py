"""A language model that writes, as an encoder: what it is asked decides what its vectors know.

Gemma 3 270M reads thirty products, and the state in which it would write the next word becomes a
vector. Asked for a category it puts kinds together; asked nothing it knows much less. No word of a
title comes twice, so nothing can be found by words alone. The first run unpacks the model, once.

usage: python examples/decoder_vectors.py [MODEL]   (by default the packaged "gemma")
"""

import sys

import numpy as np
import polars as pl

import palate

SHELF = {
    "kitchen": "cast iron skillet; whisk; stock pot with lid; bread knife; wok; colander",
    "clothes": "cotton shirt; woollen jumper; denim jacket; raincoat; silk scarf; leggings",
    "music": "acoustic guitar; violin bow; drumsticks; trumpet mute; piano stool; ukulele",
    "garden": "lawn mower; rose pruner; watering can; seed tray; wheelbarrow; hedge trimmer",
    "beauty": "red lipstick; mascara; face cream; nail polish; perfume; shampoo for curls",
}
ASKED = {
    "nothing, mean of all words": {"prefix": "", "suffix": "", "pooling": "mean"},
    "nothing, last word": {"prefix": "", "suffix": ""},
    "what it means in one word": {},
    "its category": {"prefix": "Product: ", "suffix": "\nCategory:"},
}
NEAREST = 3


def main() -> None:
    model = sys.argv[1] if len(sys.argv) > 1 else "gemma"
    titles = [title for line in SHELF.values() for title in line.split("; ")]
    kinds = np.repeat(list(SHELF), [len(line.split("; ")) for line in SHELF.values()])
    items = pl.DataFrame({"item_id": titles, "title": titles})
    nobody = pl.DataFrame(schema={"user_id": pl.String, "item_id": pl.String})
    shop = palate.Dataset(interactions=nobody, items=items)
    print(f"{len(titles)} products of {len(SHELF)} kinds; of the same kind among the 3 nearest:")
    print(f"{(len(titles) / len(SHELF) - 1) / (len(titles) - 1):6.0%}  by chance")
    for question, how in ASKED.items():
        encoder = palate.Causal(model=model, template="{title}", backend="torch", **how)
        vectors = encoder.fit(shop).encode(shop).values
        alike = vectors @ vectors.T
        np.fill_diagonal(alike, -np.inf)
        nearest = np.argsort(-alike, axis=1)[:, :NEAREST]
        print(f"{(kinds[nearest] == kinds[:, None]).mean():6.0%}  {model} asked {question}")
    for title in ("wok", "silk scarf", "violin bow"):
        row = titles.index(title)
        print(f"like {title!r}: {', '.join(titles[near] for near in nearest[row])}")


if __name__ == "__main__":
    main()
