"""A cache of its own for every test here."""

import pytest


@pytest.fixture(autouse=True)
def fresh_cache(cache):
    """No test finds what another one encoded."""
