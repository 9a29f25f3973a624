"""What a fit may use, and what of it is honest where events are held out."""

import numpy as np
import pytest

from palate import FitContext
from palate.core import registry
from palate.core.errors import ConfigError
from palate.core.features import Features
from palate.core.ids import Ids


def features(*names, behavioural=(), level=1.0):
    block = np.full((2, 3), level, dtype=np.float32)
    return Features(Ids(["a", "b"]), dict.fromkeys(names, block), behavioural=behavioural)


def names(part):
    return None if part is None else set(part.parts)


MIXED = features("text", "clicks", behavioural=["clicks"])
LEARNT = features("clicks", behavioural=["clicks"])
SAID = features("text")


@pytest.mark.parametrize(
    ("items", "users", "kept"),
    [
        (None, None, (None, None)),
        (SAID, None, ({"text"}, None)),
        (MIXED, None, ({"text"}, None)),
        (LEARNT, SAID, (None, {"text"})),
        (SAID, MIXED, ({"text"}, {"text"})),
        (None, LEARNT, (None, None)),
    ],
)
def test_what_nobody_can_make_again_is_left_out_where_it_was_learnt_from_events(
    tiny, items, users, kept
):
    context = FitContext(items=items, users=users)
    for honest in (context.honest, context.on_part(tiny)):
        assert (names(honest.items), names(honest.users)) == kept


@pytest.mark.parametrize("side", ["items", "users"])
def test_what_was_learnt_from_events_is_made_again_on_a_part(tiny, side):
    handed = []
    remade = FitContext(**{side: features("text", "clicks", behavioural=["clicks"], level=2.0)})

    def remake(part):
        handed.append(part)
        return remade

    context = FitContext(**{side: MIXED}, remake=remake)
    assert context.honest is context
    assert context.on_part(tiny) is remade
    assert handed == [tiny]


def test_content_is_not_made_again(tiny):
    context = FitContext(items=SAID, users=SAID, remake=lambda _part: pytest.fail("for nothing"))
    assert context.on_part(tiny) is context
    assert context.honest is context


@pytest.mark.parametrize(
    ("stage", "name"),
    [(stage, name) for stage in ("recommenders", "rerankers") for name in registry.names(stage)],
)
@pytest.mark.parametrize("old", ["features", "none"])
def test_features_in_place_of_a_context_are_refused(stage, name, old, tiny, tiny_features):
    component = registry.build(stage, {"type": name}, where=name)
    with pytest.raises(ConfigError, match=r"FitContext\(items=features\)"):
        component.fit(tiny, tiny_features if old == "features" else None)
