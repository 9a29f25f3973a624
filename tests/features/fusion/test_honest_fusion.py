"""Fusion and selection that learn from events know nothing of the events that are held out."""

import numpy as np
import polars as pl
import pytest
from planted_blocks import DIM, planted_blocks

import palate
from palate.core.dataset import Dataset
from palate.core.features import Features
from palate.core.types import FitContext

FUSIONS = {
    "concat": lambda: palate.Concat(weights="learn"),
    "weighted": lambda: palate.Weighted(weights="learn", dim=100),
    "correlation": palate.Correlation,
    "gated": palate.Gated,
    "attention": palate.Attention,
}


def share_of(fusion, name):
    """How much of a dot product is a block's, on the mean."""
    found = next(
        getattr(fusion, kept) for kept in ("factors_", "shares_", "usual_") if hasattr(fusion, kept)
    )
    power = 2 if hasattr(fusion, "factors_") else 1
    shares = {block: share**power for block, share in found.items()}
    return shares[name] / sum(shares.values())


@pytest.mark.parametrize("make", FUSIONS.values(), ids=FUSIONS)
def test_behaviour_is_weighed_without_the_answers(make):
    """Behaviour that knows the answers foretells them; made again, it has to earn its weight."""
    world = planted_blocks(1, {"good": 0.4})
    data, content = world.split.train, world.features

    def features_of(part):
        return content.beside(palate.Behaviour(dim=100).fit(part).encode(part))

    features = features_of(data)
    leaky = Features(data.item_ids, features.parts)
    unaware = make().fit(leaky, data)
    context = FitContext(items=features, remake=lambda part: FitContext(items=features_of(part)))
    honest = make().fit(features, data, context)
    assert share_of(honest, "behaviour") < 0.8 * share_of(unaware, "behaviour")


@pytest.mark.parametrize("make", [palate.L1, palate.Importance], ids=["l1", "importance"])
def test_columns_of_behaviour_are_judged_without_the_answers(make):
    """Columns that know the answers, and nothing else, are no reason to leave out the others."""
    world = planted_blocks(1, {"good": 0.7, "noise": float("inf")})
    data, rng = world.split.train, np.random.default_rng(0)
    content = world.features.parts

    def features_of(part):
        told = palate.Behaviour(dim=16).fit(part).encode(part).parts["behaviour"]
        known = rng.normal(size=told.shape) / 4 if len(part.events) < len(data.events) else told
        both = np.hstack([content["good"], known]).astype(np.float32)
        return Features(data.item_ids, {"both": both}, behavioural=["both"])

    features = features_of(data)
    context = FitContext(items=features, remake=lambda part: FitContext(items=features_of(part)))
    honest = make().fit(features, data, context).kept_["both"]
    unaware = make().fit(Features(data.item_ids, features.parts), data).kept_["both"]
    assert honest[16:].mean() / honest.mean() < unaware[16:].mean() / unaware.mean()


def turned(part, seed):
    """The same cosines in another space, as behaviour has them when it is learnt anew."""
    mixed, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(part.shape[1],) * 2))
    return (part @ mixed).astype(np.float32)


def two_kinds(seed):
    """Items of two kinds: block "one" tells topics of the first kind, block "two" of the other."""
    world = planted_blocks(seed, {"one": 0.3, "two": 0.3})
    kind = np.random.default_rng(seed + 100).integers(0, 2, len(world.features)).astype(bool)
    rng, parts = np.random.default_rng(seed + 200), {}
    for name, silent in (("one", kind), ("two", ~kind)):
        part = world.features.parts[name].copy()
        noise = rng.normal(size=part.shape)
        part[silent] = (noise / np.linalg.norm(noise, axis=1, keepdims=True))[silent]
        marked = np.where(kind, 0.8, -0.8)[:, None] * np.ones((1, 1))
        parts[name] = np.hstack([part, marked]).astype(np.float32)
    return world, Features(world.features.ids, parts), kind


def test_what_attention_asks_for_is_found_in_spaces_that_are_made_again():
    apart = []
    for seed in (1, 2, 3):
        world, features, kind = two_kinds(seed)
        learnt = Features(features.ids, features.parts, behavioural=features.parts)
        other = learnt.with_parts({n: turned(part, seed) for n, part in learnt.parts.items()})
        context = FitContext(items=learnt, remake=lambda _, other=other: FitContext(items=other))
        fusion = palate.Attention().fit(learnt, world.split.train, context)
        fused = fusion.transform(learnt).parts["fused"]
        first = np.square(fused[:, : DIM + 1]).sum(axis=1)  # the share of "one" in each item
        apart.append(first[~kind].mean() - first[kind].mean())
    assert min(apart) > 0.15, apart


def test_weighted_judges_wide_blocks_by_axes_of_their_own():
    """Wide behaviour that is made again lies on other axes: by the old ones it would be noise."""
    world = planted_blocks(1, {"good": 0.5, "fair": 0.8})
    rng = np.random.default_rng(0)
    wide = np.hstack([world.features.parts["good"], 0.02 * rng.normal(size=(200, 64))])
    parts = {"wide": wide.astype(np.float32), "fair": world.features.parts["fair"]}
    learnt = Features(world.features.ids, parts, behavioural=["wide"])

    def shares(remade):
        context = FitContext(items=learnt, remake=lambda _: FitContext(items=remade))
        return palate.Weighted(weights="learn").fit(learnt, world.split.train, context).shares_

    other = learnt.with_parts({**parts, "wide": turned(parts["wide"], 1)})
    assert shares(other)["wide"] > shares(learnt)["wide"] - 0.02


def test_events_count_what_they_weigh_where_blocks_are_held_to_cooccurrence():
    """Half of the people choose by one block, and weigh; the others choose by the other."""
    rng = np.random.default_rng(1)
    topics = {name: rng.integers(0, 6, 90) for name in ("loud", "quiet")}
    rows = []
    for user in range(300):
        name = ("loud", "quiet")[user % 2]
        liked = np.flatnonzero(topics[name] == rng.integers(0, 6))
        weight = 9.0 if name == "loud" else 1.0
        rows += [(f"u{user}", f"i{row}", weight) for row in rng.permutation(liked)[:6]]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "weight"], orient="row")
    items = pl.DataFrame({"item_id": [f"i{row}" for row in range(90)]})
    parts = {name: np.eye(6, dtype=np.float32)[own] for name, own in topics.items()}
    found = {}
    for weighed in (True, False):
        data = Dataset(events if weighed else events.drop("weight"), items)
        found[weighed] = palate.Correlation().fit(Features(data.item_ids, parts), data).factors_
    assert found[False]["loud"] == pytest.approx(found[False]["quiet"], abs=0.1)
    assert found[True]["loud"] > found[True]["quiet"] + 0.2


def test_what_linear_learnt_is_behaviour():
    world = planted_blocks(1, {"good": 0.7})
    data, features = world.split.train, world.features
    fused = palate.Linear(dim=8).fit(features, data).transform(features)
    assert fused.behavioural == {"linear"}
    assert set(FitContext(items=fused).honest.items.parts) == {"good"}


def test_what_was_learnt_and_cannot_be_made_again_is_left_out():
    world = planted_blocks(1, {"good": 0.7})
    features = (
        palate.Concat(weights="learn")
        .fit(world.features, world.split.train)
        .transform(world.features)
    )
    assert FitContext(items=features, learnt=True).honest.items is None
    assert FitContext(items=features).honest.items is features
