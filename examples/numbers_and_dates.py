"""Columns read each in their own way: orders, prices, dates, lengths, and how common a brand is.

A clothes shop, made up. One table says how each column becomes numbers; the names of the features
say what came of it. Prices shown raw put every dear thing in one corner; their logarithm, or their
place among all prices, keeps cheap things apart.
"""

import numpy as np
import polars as pl

import palate

COLUMNS = {
    "size": {"as": "ordinal", "order": ["S", "M", "L", "XL"]},
    "price": ["standard", "log", "quantile"],
    "brand": ["frequency", {"as": "hashed", "features": 16}],
    "arrived": {"as": "date", "cycles": ["weekday", "month"]},
    "description": "lengths",
    "*": "auto",  # the other columns, as without a table
}


def shop() -> palate.Dataset:
    """200 garments with a price from 4 to 4,000, and people who keep to their size."""
    rng = np.random.default_rng(7)
    size = rng.choice(["S", "M", "L", "XL"], 200, p=[0.2, 0.4, 0.3, 0.1])
    garments = pl.DataFrame(
        {
            "item_id": [f"g{row:03d}" for row in range(200)],
            "description": ["soft " * int(length) + "shirt" for length in rng.integers(1, 12, 200)],
            "size": size,
            "price": np.round(np.exp(rng.normal(4, 1.4, 200)).clip(4, 4000), 2),
            "brand": rng.choice(["Common", "Known", "Rare"], 200, p=[0.7, 0.25, 0.05]),
            "arrived": [f"2024-{1 + row % 12:02d}-{1 + row % 28:02d}" for row in range(200)],
            "colour": rng.choice(["red", "blue", "green"], 200),
        }
    )
    events = []
    for user in range(120):
        fits = np.flatnonzero(size == rng.choice(size))
        chosen = rng.choice(fits, min(6, len(fits)), replace=False)
        events += [(f"p{user:03d}", f"g{row:03d}") for row in chosen]
    log = pl.DataFrame(events, schema=["user_id", "item_id"], orient="row")
    return palate.read(log, items=garments)


def main() -> None:
    data = shop()
    encoder = palate.Attributes(columns=COLUMNS).fit(data)
    features = encoder.encode(data)
    print(features)
    print(", ".join(name for name in encoder.names if " # " not in name))

    values = dict(zip(encoder.names, features.values.T, strict=True))
    price = data.items["price"].to_numpy()
    for asked in (10, 30, 100, 300, 1000, 3000):
        row = int(np.abs(price - asked).argmin())
        shown = [f"{name} {values[name][row]:+.2f}" for name in values if name.startswith("price")]
        print(f"a garment at {price[row]:.2f}: {', '.join(shown)}")

    later = pl.DataFrame({"item_id": ["new"], "brand": ["Unheard of"]})
    columns = [name for name in data.items.columns if name not in later.columns]
    blank = later.with_columns(pl.lit(None).alias(name) for name in columns)
    row = encoder.encode(palate.Dataset(data.interactions.clear(), blank)).values[0]
    said = [name for name, value in zip(encoder.names, row, strict=True) if value > 0]
    print("a new garment of a brand never met, and nothing else known:", ", ".join(said))


if __name__ == "__main__":
    main()
