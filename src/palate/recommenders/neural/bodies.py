"""Networks that read a history: attention, recurrence, convolution. Torch is needed here."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import torch
from torch import nn
from torch.nn import functional

Body: TypeAlias = Literal["transformer", "gru", "lstm", "cnn", "linear_recurrence"]

_KERNEL = 3  # events that a convolution sees at once
_FASTEST, _SLOWEST = 0.5, 0.99  # how much of a state is left after a step, at the start


class AttentionBlock(nn.Module):  # type: ignore[misc]
    """Causal self-attention and a feed-forward layer, each behind a norm."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.inputs, self.output = nn.Linear(dim, 3 * dim), _silent(nn.Linear(dim, dim))
        self.feed = _feed_forward(dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, states: Any, strengths: Any) -> Any:
        batch, length, dim = states.shape
        split = self.inputs(self.norms[0](states) * strengths).view(
            batch, length, 3, self.heads, dim // self.heads
        )
        query, key, value = split.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        states = states + self.drop(self.output(seen.transpose(1, 2).reshape(batch, length, dim)))
        return states + self.drop(self.feed(self.norms[1](states)))


class RecurrentBlock(nn.Module):  # type: ignore[misc]
    """A layer of GRU or LSTM cells."""

    def __init__(self, kind: str, dim: int, dropout: float) -> None:
        super().__init__()
        cells = nn.GRU if kind == "gru" else nn.LSTM
        self.norm, self.cells = nn.LayerNorm(dim), cells(dim, dim, batch_first=True)
        self.output = _silent(nn.Linear(dim, dim))
        self.drop = nn.Dropout(dropout)

    def forward(self, states: Any, strengths: Any) -> Any:
        return states + self.drop(self.output(self.cells(self.norm(states) * strengths)[0]))


class ConvolutionBlock(nn.Module):  # type: ignore[misc]
    """A causal convolution, wider from layer to layer, and a feed-forward layer."""

    def __init__(self, dim: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.reach = (_KERNEL - 1) * dilation
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.filters = nn.Conv1d(dim, dim, _KERNEL, dilation=dilation)
        self.output = _silent(nn.Linear(dim, dim))
        self.feed = _feed_forward(dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, states: Any, strengths: Any) -> Any:
        padded = functional.pad(
            (self.norms[0](states) * strengths).transpose(1, 2), (self.reach, 0)
        )
        seen = functional.gelu(self.filters(padded)).transpose(1, 2)
        states = states + self.drop(self.output(seen))
        return states + self.drop(self.feed(self.norms[1](states)))


class LinearRecurrenceBlock(nn.Module):  # type: ignore[misc]
    """h(t) = a h(t-1) + (1 - a) x(t) with learnt decays a, gated, and a feed-forward layer."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.inputs, self.output = nn.Linear(dim, 2 * dim), _silent(nn.Linear(dim, dim))
        self.decay = nn.Parameter(torch.logit(torch.linspace(_FASTEST, _SLOWEST, dim)))
        self.feed = _feed_forward(dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, states: Any, strengths: Any) -> Any:
        value, gate = self.inputs(self.norms[0](states) * strengths).chunk(2, dim=-1)
        steps = torch.arange(states.shape[1])
        age = (steps[:, None] - steps[None, :]).clamp(min=0)
        log_decay = functional.logsigmoid(self.decay.float())
        kept = torch.exp(age[..., None] * log_decay) * torch.sigmoid(-self.decay.float())
        kept = kept * (steps[:, None] >= steps[None, :])[..., None]
        mixed = torch.einsum("tsd,bsd->btd", kept.to(value.dtype), value)
        states = states + self.drop(self.output(mixed * functional.silu(gate)))
        return states + self.drop(self.feed(self.norms[1](states)))


def _feed_forward(dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), _silent(nn.Linear(4 * dim, dim)))


def _silent(layer: Any) -> Any:
    """A layer that adds nothing at the start: what was read goes through as it is."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def block_of(body: Body, dim: int, heads: int, layer: int, dropout: float) -> Any:
    """One layer of a body."""
    if body == "transformer":
        return AttentionBlock(dim, heads, dropout)
    if body == "cnn":
        return ConvolutionBlock(dim, 2**layer, dropout)
    if body == "linear_recurrence":
        return LinearRecurrenceBlock(dim, dropout)
    return RecurrentBlock(body, dim, dropout)


class Reader(nn.Module):  # type: ignore[misc]
    """(batch, length, dim) vectors of events → the same shape: what is wanted after each.

    `gaps` are how many kinds of pauses between events there are, 0 for none.
    """

    def __init__(
        self,
        body: Body,
        dim: int,
        *,
        heads: int,
        layers: int,
        length: int,
        gaps: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.randn(length, dim) * 0.02)
        self.gaps = nn.Parameter(torch.zeros(gaps, dim)) if gaps else None
        self.blocks = nn.ModuleList(
            block_of(body, dim, heads, layer, dropout) for layer in range(layers)
        )
        self.norm, self.output = nn.LayerNorm(dim), nn.Linear(dim, dim)
        self.drop = nn.Dropout(dropout)
        nn.init.eye_(self.output.weight)  # what was chosen last is wanted again, to begin with
        nn.init.zeros_(self.output.bias)

    def forward(self, vectors: Any, pauses: Any, strengths: Any) -> Any:
        """`strengths` (batch, length) are what events count, 1 for a usual one."""
        states = vectors * strengths[..., None] + self.places[: vectors.shape[1]]
        if self.gaps is not None:
            states = states + self.gaps[pauses]
        states = self.drop(states)
        for block in self.blocks:
            states = block(states, strengths[..., None])
        return self.output(self.norm(states))


class SequenceNetwork(nn.Module):  # type: ignore[misc]
    """A reader of histories, with what `people` columns say of who somebody is before them."""

    def __init__(self, reader: Reader, people: int) -> None:
        super().__init__()
        dim = reader.norm.normalized_shape[0]
        self.reader = reader
        self.people = nn.Linear(people, dim, bias=False) if people else None
        self.register_buffer("usual", torch.ones(()))  # the root of what an event weighs, in mean

    def forward(self, states: Any, pauses: Any, weights: Any, people: Any) -> Any:
        """(n, length, dim) after each event, and before the first where people are known."""
        strengths = weights.sqrt() / self.usual
        if self.people is not None:
            states = torch.cat([self.people(people)[:, None, :], states], dim=1)
            pauses = functional.pad(pauses, (1, 0))
            strengths = functional.pad(strengths, (1, 0), value=1.0)
        return self.reader(states, pauses, strengths)


class Tower(nn.Module):  # type: ignore[misc]
    """Who asks: the mean of what they chose and what is known of them, and what a layer adds."""

    def __init__(self, dim: int, people: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.people = nn.Linear(people, dim, bias=False) if people else None
        self.norm, self.drop = nn.LayerNorm(dim), nn.Dropout(dropout)
        self.layers = nn.Sequential(
            nn.Linear(dim, hidden), nn.GELU(), _silent(nn.Linear(hidden, dim))
        )

    def forward(self, vectors: Any, weights: Any, people: Any) -> Any:
        """(n, dim) of (n, length, dim) vectors by (n, length) weights, which sum to 1 or 0."""
        states = (vectors * weights[..., None]).sum(dim=1)
        if self.people is not None:
            states = states + self.people(people)
        return states + self.drop(self.layers(self.norm(states)))
