import numpy as np
import pytest
from scipy import sparse

from palate.histories import Histories, histories_of
from palate.recommenders import _cooccurrence
from palate.recommenders._cooccurrence import (
    cooccurrence,
    covisit_counts,
    keep_largest,
    normalised_covisits,
    popularity,
)
from tests_support import dataset


def slow_counts(sequences, n_items, window, backward):
    counts = np.zeros((n_items, n_items))
    for sequence in sequences:
        for first in range(len(sequence)):
            for second in range(first + 1, min(len(sequence), first + window + 1)):
                value = 1 / (second - first)
                counts[sequence[first], sequence[second]] += value
                counts[sequence[second], sequence[first]] += backward * value
    return counts
