"""Token ids → vectors: layers, pooling and what a model adds to that, as one torch module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from palate.core.arrays import Floats
from palate.core.errors import ConfigError
from palate.nn.hardware import import_torch

PoolingName: TypeAlias = Literal["mean", "max", "cls", "last", "position", "idf", "attention"]


@dataclass(frozen=True)
class Dense:
    """A linear layer after pooling, as sentence-transformers has it, and what follows it."""

    weight: Floats
    bias: Floats | None
    activation: str = "Identity"


@dataclass(frozen=True)
class Pooling:
    """Which states of the tokens are taken, and how they become one vector of unit length.

    States are the mean of `layers` layers, the last of which is number `layer` (-1: the model's
    last). Several `kinds` stand beside each other. `idf` holds a weight for every token id, and
    `attention` the vector that states are compared with. Of the result the first `dim` numbers
    stay.
    """

    kinds: Sequence[PoolingName] = ("mean",)
    layer: int = -1
    layers: int = 1
    dense: Sequence[Dense] = field(default=())
    dim: int | None = None
    idf: Floats | None = None
    attention: Floats | None = None


def pooled_network(network: Any, pooling: Pooling) -> Any:
    """A torch module: (n, length) int64 token ids → (n, d) vectors of unit length."""
    torch = import_torch()
    _check_layers(network, pooling)
    activations = [_activation(layer.activation) for layer in pooling.dense]

    class PooledNetwork(torch.nn.Module):  # type: ignore[misc, name-defined]
        """Every row is a whole text: no padding, so no mask."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network
            kept = {"idf": pooling.idf, "attention": pooling.attention}
            for number, layer in enumerate(pooling.dense):
                kept |= {f"weight{number}": layer.weight, f"bias{number}": layer.bias}
            for name, values in kept.items():
                given = None if values is None else torch.from_numpy(np.array(values, np.float32))
                self.register_buffer(name, given)

        def forward(self, input_ids: Any) -> Any:
            states = hidden_states(self.network, input_ids, pooling)
            weights = {"idf": None if self.idf is None else self.idf[input_ids] + 1e-6}
            if self.attention is not None:
                weights["attention"] = (states @ self.attention).softmax(1)
            pooled = torch.cat([_pooled(kind, states, weights) for kind in pooling.kinds], 1)
            for number, activation in enumerate(activations):
                bias = getattr(self, f"bias{number}")
                pooled = activation(
                    torch.nn.functional.linear(pooled, getattr(self, f"weight{number}"), bias)
                )
            return torch.nn.functional.normalize(pooled[:, : pooling.dim], dim=1)

    return PooledNetwork().eval()


def _pooled(kind: PoolingName, states: Any, known: dict[str, Any]) -> Any:
    """(n, d) from (n, length, d) states; `known` are tokens' weights, by the kind of pooling."""
    if kind == "mean":
        return states.mean(1)
    if kind == "max":
        return states.amax(1)
    if kind in ("cls", "last"):
        return states[:, 0 if kind == "cls" else -1]
    ones = import_torch().ones_like(states[:, :, 0])
    weights = ones.cumsum(1) if kind == "position" else known[kind]
    return (states * (weights / weights.sum(1, keepdim=True)).unsqueeze(2)).sum(1)


def hidden_states(network: Any, input_ids: Any, pooling: Pooling) -> Any:
    """(n, length, d) float32 states of the layers that `pooling` takes."""
    whole = pooling.layer == -1 and pooling.layers == 1
    asked: dict[str, Any] = {} if whole else {"output_hidden_states": True}
    if is_decoder(network) or _has_windows(network.config):
        # without a mask a decoder looks for several texts in one row, and a trace loses windows
        asked["attention_mask"] = import_torch().ones_like(input_ids)
    found = network(input_ids=input_ids, **asked)
    if whole:
        return found.last_hidden_state.float()
    _check_layers(network, pooling)
    every = found.hidden_states
    last = pooling.layer if pooling.layer >= 0 else len(every) + pooling.layer
    first = last - pooling.layers + 1
    # the last of them passes the model's own last norm, if it has one
    return sum(state.float() for state in every[first : last + 1]) / pooling.layers


def _check_layers(network: Any, pooling: Pooling) -> None:
    count = int(getattr(network.config, "num_hidden_layers", 0)) + 1  # and the words themselves
    last = pooling.layer if pooling.layer >= 0 else count + pooling.layer
    if not pooling.layers - 1 <= last < count:
        raise ConfigError(
            f"layer = {pooling.layer} with layers = {pooling.layers} cannot be read: the model has "
            f"{count - 1} layers (0 is the words before the first)"
        )


def _has_windows(config: Any) -> bool:
    return any(getattr(config, name, None) for name in ("sliding_window", "local_attention"))


def is_decoder(network: Any) -> bool:
    """Whether tokens see only what stands before them."""
    config = network.config
    names = " ".join(getattr(config, "architectures", None) or [type(network).__name__])
    written = "CausalLM" in names or "LMHead" in names
    kinds = ("gpt", "llama", "qwen", "gemma", "mistral", "phi", "opt", "bloom", "falcon", "olmo")
    return written or str(config.model_type).startswith(kinds)


def _activation(name: str) -> Any:
    torch = import_torch()
    found = getattr(torch.nn, name.rpartition(".")[2], None)
    if found is None:
        raise ConfigError(f"the model ends in the activation {name!r}, which torch does not know")
    return found()
