"""People as numbers: how much, how often, how regularly and how kindly they act."""

from __future__ import annotations

from palate.encoders._aggregate_columns import learn, standardised
from palate.encoders._aggregate_events import Events, events_of_histories, events_of_people
from palate.errors import ConfigError, DataError
from palate.histories import Histories
from palate.types import Dataset, Features, Ids

NUMBERS = "did.numbers"

__all__ = ["people_aggregates"]


def people_aggregates(
    source: Dataset | Histories,
    *,
    fitted_on: Dataset | Histories | None = None,
    recent: float = 0.25,
    max_events: int = 20,
) -> Features:
    """One row a person, the block "did.numbers": the aggregates of what that person did.

    As `Aggregates` has them of items: counts of events, of different items and by kind, share of
    repeats, mean and spread of values, totals, recency, rhythm and trend; standardised. People are
    those of `data.user_ids`, or the requests of histories, whose user ids must be unique; histories
    hold neither kinds of events nor values, so such columns are theirs only if `fitted_on` has
    them, at what is usual. Priors, scales and the present moment are learnt from `fitted_on`, by
    default from `source`: name the training part to keep the future out. Stands beside
    `people_features` of the same people. Raises `DataError` where there is no event to learn from.
    """
    if not 0 < recent < 1:
        raise ConfigError(f"recent must be a share between 0 and 1, not {recent}")
    events = _events(source)
    basis = events if fitted_on is None else _events(fitted_on)
    if not len(basis.own):
        raise DataError("there are no events to learn from: name the training data in fitted_on=")
    recipe = learn(basis, recent=recent, max_events=max_events, other="items")
    ids = Ids(source.user_ids) if isinstance(source, Histories) else source.user_ids
    return Features(ids, {NUMBERS: standardised(events, recipe)}, behavioural=[NUMBERS])


def _events(source: Dataset | Histories) -> Events:
    if isinstance(source, Histories):
        return events_of_histories(source)
    return events_of_people(source)
