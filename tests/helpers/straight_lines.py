"""The smallest thing that can be trained: a line through points, some of them held out."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

SLOPES = [3.0, -2.0, 0.5]


class Line:
    """Learns y = x @ SLOPES; `held` rows say when to stop."""

    def __init__(self, *, held=20, noise=0.0, dropout=0.0, seed=0):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((220, 3)).astype(np.float32)
        y = (x @ SLOPES + noise * rng.standard_normal(220)).astype(np.float32)
        self.x, self.y = torch.from_numpy(x), torch.from_numpy(y)
        self.held = held
        torch.manual_seed(0)
        self.network = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Dropout(dropout))
        self.seen = []

    def batches(self, rng):
        order = rng.permutation(np.arange(self.held, 220))
        self.seen.append(order[:5].tolist())
        return np.array_split(order, 10)

    def loss(self, batch):
        return ((self.network(self.x[batch])[:, 0] - self.y[batch]) ** 2).mean()

    def judge(self):
        if not self.held:
            return None
        rows = slice(0, self.held)
        return -float(((self.network(self.x[rows])[:, 0] - self.y[rows]) ** 2).mean())

    @property
    def slopes(self):
        return self.network[0].weight.detach().numpy()[0].copy()
