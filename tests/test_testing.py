"""The contract checks notice what is broken."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from palate import testing
from palate.core.component import check_fitted, learnt
from palate.core.features import Features
from palate.core.types import FitContext, Recommendations
from palate.features.encoders.attributes import Attributes
from palate.recommenders._base import CatalogueModel
from palate.recommenders.popular import Popular
from palate.recommenders.rerankers.diversity import Diversity


@dataclass(kw_only=True)
class RowNumbers(CatalogueModel):
    """Recommends what stands first in the file."""

    def fit(self, data, context):
        self._know(data, context)
        return self

    def score(self, histories):
        check_fitted(self)
        asking = histories.in_catalogue(self.item_ids_)
        scores = -np.arange(len(self.item_ids_), dtype=np.float32)
        return np.tile(scores, (len(asking), 1))


@dataclass(kw_only=True)
class Names(RowNumbers):
    """Scores by the name of whoever asks."""

    def score(self, histories):
        lengths = histories.user_ids.str.len_chars().to_numpy().astype(np.float32)
        return super().score(histories) + lengths[:, None]


@dataclass(kw_only=True)
class Doubles(RowNumbers):
    def score(self, histories):
        return super().score(histories).astype(np.float64)


@dataclass(kw_only=True)
class Batches(RowNumbers):
    """Scores of one request depend on who else asks."""

    def score(self, histories):
        return super().score(histories) + np.float32(len(histories))


@dataclass(kw_only=True)
class Unfitted(RowNumbers):
    def score(self, histories):
        if not hasattr(self, "item_ids_"):
            return np.zeros((len(histories), len(histories.item_ids)), dtype=np.float32)
        return super().score(histories)


@dataclass(kw_only=True)
class NotSaved(RowNumbers):
    bag_: Any = learnt()

    def fit(self, data, context):
        self.bag_ = {1, 2}
        return super().fit(data, context)


@dataclass(kw_only=True)
class Forgotten(RowNumbers):
    never_: int = learnt()

    def _know(self, data, context):
        super()._know(data, context)

    def score(self, histories):
        return RowNumbers.score(self, histories)


@dataclass(kw_only=True)
class Vandal(RowNumbers):
    def fit(self, data, context):
        context.items.parts["text"][3] += 1
        return super().fit(data, context)


@dataclass(kw_only=True)
class Dice(RowNumbers):
    def score(self, histories):
        found = super().score(histories)
        return np.random.default_rng().random(found.shape, dtype=np.float32)


@dataclass(kw_only=True)
class NewFirst(Popular):
    """New items are pushed, whatever they are."""

    def add_items(self, items):
        super().add_items(items)
        self.popularity_[-len(items) :] = [100 + row for row in range(len(items))]
        return self


@dataclass(kw_only=True)
class OldStyle(RowNumbers):
    """As recommenders were before there was a context."""

    def fit(self, data, items=None):
        return super().fit(data, FitContext(items=items))


@dataclass(kw_only=True)
class Lambda(RowNumbers):
    setting: Any = field(default_factory=lambda: (1, 2))


@dataclass
class Positional(RowNumbers):
    setting: int = 1


@pytest.mark.parametrize(
    ("component", "expect"),
    [
        (RowNumbers(), r"ids, not to rows.*move by up to \d.* of their range, 0.0001 is allowed"),
        (Names(), "only the history counts"),
        (Doubles(), "float32"),
        (Batches(), "a batch row"),
        (Unfitted(), "raises NotFittedError"),
        (NotSaved(), "artefact can hold"),
        (Forgotten(), "fit fills never_"),
        (Vandal(), "leaves its inputs"),
        (Dice(), "the same bits"),
        (NewFirst(), "new items stand at the floor"),
        (Lambda(), "survive JSON"),
        (Positional(), "keyword-only"),
        (OldStyle(), "fit takes data and context"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_broken_recommenders_are_found(component, expect, tiny, tiny_features):
    features = Features(tiny.item_ids, {**tiny_features.parts})
    features.parts["text"] = features.parts["text"].copy()
    with pytest.raises(AssertionError, match=expect):
        testing.check_recommender(component, tiny, features)


@dataclass(kw_only=True)
class Deaf(Popular):
    """A committee that keeps to itself how features are made again."""

    part: Any = None

    def fit(self, data, context):
        self.part.fit(data, FitContext(items=context.items, users=context.users))
        return super().fit(data, context)


@dataclass(kw_only=True)
class Idle(Deaf):
    """A committee that fits none of its parts."""

    def fit(self, data, context):
        return Popular.fit(self, data, context)


@dataclass(kw_only=True)
class Stacked(Deaf):
    """A committee that fits its part on half of the events too, as the labels are the others."""

    def fit(self, data, context):
        half = data.with_interactions(data.interactions.head(len(data.interactions) // 2))
        self.part.fit(half, context.on_part(half))
        self.part.fit(data, context)
        return Popular.fit(self, data, context)


@pytest.mark.parametrize(
    ("committee", "expect"), [(Deaf, "gets the context"), (Idle, "fits its parts")]
)
def test_broken_committees_are_found(committee, expect, tiny, tiny_features):
    with pytest.raises(AssertionError, match=expect):
        testing.check_committee(lambda part: committee(part=part), tiny, tiny_features)


def test_a_committee_may_fit_on_a_part_of_the_data(tiny, tiny_features):
    items = Features(tiny.item_ids, tiny_features.parts, behavioural=["text"])
    testing.check_committee(lambda part: Stacked(part=part), tiny, items)


@dataclass(kw_only=True)
class Centred:
    """Subtracts the mean of the rows it is given."""

    mean_: Any = learnt()

    def fit(self, features, data):
        self.mean_ = features.values.mean(axis=0)
        return self

    def transform(self, features):
        check_fitted(self)
        return features.with_parts({"all": features.values - features.values.mean(axis=0)})


@dataclass(kw_only=True)
class Leaky(Centred):
    """Learns from items without events."""

    def transform(self, features):
        check_fitted(self)
        return features.with_parts({"all": features.values - self.mean_})


@dataclass(kw_only=True)
class Logarithm(Centred):
    def transform(self, features):
        check_fitted(self)
        with np.errstate(divide="ignore", invalid="ignore"):
            return features.with_parts({"all": np.log(np.abs(features.values[:, :1]))})


@pytest.mark.parametrize(
    ("component", "expect"),
    [
        (Centred(), "transformed by itself"),
        (Leaky(), "only items with events"),
        (Logarithm(), "finite"),
    ],
    ids=["Centred", "Leaky", "Logarithm"],
)
def test_broken_transforms_are_found(component, expect, tiny, tiny_features):
    with pytest.raises(AssertionError, match=expect):
        testing.check_transform(component, tiny_features, tiny)


@dataclass(kw_only=True)
class Shelf:
    """One-hot rows by their place in the file."""

    width_: int = learnt()

    def fit(self, data):
        self.width_ = 7
        return self

    def encode(self, data):
        check_fitted(self)
        place = np.arange(len(data.items)) % self.width_
        return Features(data.item_ids, {"shelf": np.eye(self.width_)[place]})


@dataclass(kw_only=True)
class Prices(Shelf):
    """Stumbles over missing numbers."""

    def encode(self, data):
        check_fitted(self)
        price = data.items["price"].to_numpy().astype(np.float64)[:, None]
        return Features(data.item_ids, {"price": np.hstack([price, price**0])})


@dataclass(kw_only=True)
class Vocabulary(Shelf):
    """Has as many columns as the catalogue has titles."""

    def encode(self, data):
        check_fitted(self)
        return Features(data.item_ids, {"title": np.ones((len(data.items), len(data.items)))})


@pytest.mark.parametrize(
    ("component", "expect"),
    [
        (Shelf(), "does not depend on the order"),
        (Prices(), "'price' is finite"),
        (Vocabulary(), "new items have the same blocks"),
    ],
    ids=["Shelf", "Prices", "Vocabulary"],
)
def test_broken_encoders_are_found(component, expect, tiny):
    with pytest.raises(AssertionError, match=expect):
        testing.check_encoder(component, tiny)


@dataclass(kw_only=True)
class Twice(Diversity):
    def rerank(self, recommendations, histories):
        found = super().rerank(recommendations, histories).table
        return Recommendations(found.extend(found.clone()))


@dataclass(kw_only=True)
class OldRanks(Diversity):
    def rerank(self, recommendations, histories):
        check_fitted(self)
        return Recommendations(recommendations.table.reverse())


@pytest.mark.parametrize(
    ("component", "expect"),
    [(Twice(), "an item twice"), (OldRanks(), "in order")],
    ids=["Twice", "OldRanks"],
)
def test_broken_rerankers_are_found(component, expect, tiny, tiny_features):
    with pytest.raises(AssertionError, match=expect):
        testing.check_reranker(component, tiny, tiny_features)


def test_a_fresh_component_has_the_settings_and_nothing_else(tiny):
    fitted = Popular(last_days=3).fit(tiny)
    blank = testing.fresh(fitted)
    assert blank.last_days == 3
    assert not hasattr(blank, "popularity_")


@dataclass(kw_only=True)
class Silent(Attributes):
    """Says numbers in place of lines."""

    def describe(self, data):
        return [1, 2]


@dataclass(kw_only=True)
class Vague(Attributes):
    """Names a package in place of what brings it."""

    requires = ("torch",)


@pytest.mark.parametrize(
    ("component", "expect"),
    [
        (Silent(), "describe gives lines of text"),
        (Vague(), r"Vague\.requires must be a tuple of Requirement"),
    ],
    ids=["Silent", "Vague"],
)
def test_what_a_component_says_of_itself_is_held_to(component, expect, tiny):
    with pytest.raises(AssertionError, match=expect):
        testing.check_encoder(component, tiny)
