"""One training loop for every network: schedules, early stopping, checkpoints, noted runs."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal, Protocol, TypeAlias

import numpy as np
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from palate.core import progress
from palate.core.errors import ConfigError, DivergedError
from palate.core.optional import Requirement
from palate.nn.checkpoints import Checkpoint, checkpoint_of
from palate.nn.tracking import Figures, tracked

Optimizer: TypeAlias = Literal["adamw", "adam", "sgd", "adagrad"]
Schedule: TypeAlias = Literal["constant", "linear", "cosine", "exponential"]
Precision: TypeAlias = Literal["float32", "bfloat16"]

LAST_RATE = 0.01  # of the highest one, where a schedule falls
NEEDED = Requirement(("torch",), "training a network")
_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")


@dataclass(kw_only=True)
class Training:
    """How a network is trained; a component that has one trained inherits these settings.

    `learning_rate` is the highest, reached after `warm_up` (a share of all steps); then it stays
    or falls by `schedule` to a hundredth. Gradients longer than `clip` are shortened. Training ends
    after `epochs`, or once the inner validation has not been better for `patience` of them; the
    best state is kept. With `precision = "bfloat16"` products are rounded, which is faster on
    processors that compute in it. Results depend on `threads` to their last bits, and not on how
    many cores there are.
    """

    epochs: PositiveInt = 20
    learning_rate: PositiveFloat = 1e-3
    optimizer: Optimizer = "adamw"
    schedule: Schedule = "cosine"
    warm_up: Annotated[float, Field(ge=0, lt=1)] = 0.1
    weight_decay: NonNegativeFloat = 1e-4
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    clip: PositiveFloat | None = 1.0
    patience: PositiveInt = 3
    precision: Precision = "float32"
    threads: PositiveInt = 2
    seed: NonNegativeInt = 0

    def rate(self, done: float) -> float:
        """The learning rate after a share of all steps."""
        if done < self.warm_up:
            return self.learning_rate * max(done / self.warm_up, LAST_RATE)
        left = 1 - (done - self.warm_up) / (1 - self.warm_up)
        falling: dict[Schedule, float] = {
            "constant": 1.0,
            "linear": left,
            "cosine": (1 + math.cos(math.pi * (1 - left))) / 2,
            "exponential": math.exp(math.log(LAST_RATE) * (1 - left)),
        }
        return self.learning_rate * max(falling[self.schedule], LAST_RATE)


class Learner(Protocol):
    """What `train` trains: a torch module, batches of its data, a loss, and how good it is.

    `batches` draws an epoch's from `rng` alone; `loss` is the mean over one of them, and asks torch
    alone for chance. `judge` is higher for better, on what no batch holds; None where nothing is
    held out.
    """

    network: Any

    def batches(self, rng: np.random.Generator) -> Sequence[Any]: ...
    def loss(self, batch: Any) -> Any: ...
    def judge(self) -> float | None: ...


@dataclass(frozen=True)
class Epoch:
    """What was seen of one pass over the data: the mean loss, and `judge`, None for none."""

    loss: float
    judged: float | None


@dataclass
class _Run:
    """Where a training stands after an epoch."""

    curve: list[Epoch] = field(default_factory=list)
    best: float = -math.inf
    best_state: dict[str, Any] = field(default_factory=dict)
    waited: int = 0


def train(learner: Learner, training: Training, *, label: str, digest: str = "") -> list[Epoch]:
    """Trains `learner.network`, leaves it in its best state, and gives what each epoch was like.

    `label` names it in progress, runs and checkpoints; `digest` tells its data and settings. Inside
    `palate.checkpoints(folder)` it goes on where it was stopped, to the same result. Raises
    `DivergedError` for a loss that is no number, `ConfigError` where memory runs out,
    `MissingExtraError` without torch, `ArtefactError` for a checkpoint of something else.
    """
    torch = NEEDED.load()
    network, run = learner.network, _Run()
    optimizer = _optimizer(torch, network, training)
    kept = checkpoint_of(label, _with_settings(digest, training))
    with reproducible(training.threads), tracked(label, training) as note:
        if kept is not None:
            _restore(torch, kept, network, optimizer, run)
        for epoch, batches, advance in _epochs(learner, training, run, label):
            started = time.monotonic()
            network.train()
            try:
                loss = _pass(torch, learner, batches, optimizer, training, epoch, advance)
                network.eval()
                with torch.no_grad():
                    judged = learner.judge()
                _check_finite("what is held out", judged, f"after epoch {epoch + 1}")
            except (DivergedError, RuntimeError, MemoryError) as error:
                raise _explained(error, label, kept, training) from error
            _look(run, network, Epoch(loss, judged))
            note(epoch + 1, _figures(run, training, epoch, time.monotonic() - started))
            if kept is not None:
                _keep(kept, network, optimizer, run)
        network.load_state_dict(run.best_state)
        network.eval()
    return run.curve


@contextmanager
def reproducible(threads: int) -> Iterator[None]:
    """Torch with so many threads, however many cores there are, and with chance of its own."""
    torch = NEEDED.load()
    before, exact = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    # gradients of rows that are read twice are added up in any order otherwise
    torch.use_deterministic_algorithms(True)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.use_deterministic_algorithms(exact)
        torch.set_num_threads(before)


def chance_of(seed: int, *parts: int) -> np.random.Generator:
    """Draws that a seed and a place decide, so that a training may be taken up there."""
    return np.random.default_rng([seed, *parts])


def _optimizer(torch: Any, network: Any, training: Training) -> Any:
    kinds = {
        "adamw": torch.optim.AdamW,
        "adam": torch.optim.Adam,
        "sgd": torch.optim.SGD,
        "adagrad": torch.optim.Adagrad,
    }
    whole = list(network.parameters())
    groups = [  # what shifts or scales is not to be small
        {"params": [p for p in whole if p.ndim > 1], "weight_decay": training.weight_decay},
        {"params": [p for p in whole if p.ndim <= 1], "weight_decay": 0.0},
    ]
    more = {"momentum": 0.9} if training.optimizer == "sgd" else {}
    return kinds[training.optimizer](groups, lr=training.learning_rate, **more)


def _epochs(
    learner: Learner, training: Training, run: _Run, label: str
) -> Iterator[tuple[int, Sequence[Any], Any]]:
    """(epoch, its batches, what counts steps), until all are done or patience is."""
    first = len(run.curve)
    if first >= training.epochs:
        return
    batches = learner.batches(chance_of(training.seed, first))
    steps = max(len(batches), 1) * (training.epochs - first)
    with progress.task(f"train {label}", steps, "steps") as advance:
        for epoch in range(first, training.epochs):
            if run.waited >= training.patience:
                return
            if epoch > first:
                batches = learner.batches(chance_of(training.seed, epoch))
            yield epoch, batches, advance


def _pass(
    torch: Any,
    learner: Learner,
    batches: Sequence[Any],
    optimizer: Any,
    training: Training,
    epoch: int,
    advance: Any,
) -> float:
    """One pass over the data; the mean loss of its batches."""
    torch.manual_seed(int(chance_of(training.seed, epoch, 1).integers(2**31)))
    rounded = torch.autocast("cpu", dtype=torch.bfloat16, enabled=training.precision == "bfloat16")
    total = 0.0
    for step, batch in enumerate(batches):
        rate = training.rate((epoch + step / len(batches)) / training.epochs)
        for group in optimizer.param_groups:
            group["lr"] = rate
        with rounded:
            loss = learner.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        place = f"at step {step + 1} of epoch {epoch + 1}, with a learning rate of {rate:.2g}"
        value = float(loss.item())
        _check_finite("the loss", value, place)
        longest = math.inf if training.clip is None else training.clip
        length = torch.nn.utils.clip_grad_norm_(learner.network.parameters(), longest)
        _check_finite("the gradient", float(length), place)
        optimizer.step()
        total += value
        advance(1)
    return total / max(len(batches), 1)


def _check_finite(what: str, value: float | None, where: str) -> None:
    if value is not None and not math.isfinite(value):
        raise DivergedError(f"{what} became {value} {where}")


def _explained(
    error: Exception, label: str, kept: Checkpoint | None, training: Training
) -> Exception:
    """What stopped a training, in a sentence that says what to do."""
    if isinstance(error, DivergedError):
        advice = "take a smaller learning_rate" + (", or clip" if training.clip is None else "")
        there = kept is not None and kept.path.exists()
        more = f". What was learnt before that epoch is in {kept.path}" if kept and there else ""
        return DivergedError(f"training {label}: {error}: {advice}{more}")
    told = str(error).lower()
    if isinstance(error, MemoryError) or any(words in told for words in _NO_MEMORY):
        return ConfigError(f"training {label} ran out of memory: take a smaller batch_size or dim")
    return error


def _with_settings(digest: str, training: Training) -> str:
    """A digest that tells these settings, too."""
    names = [entry.name for entry in fields(Training)]
    told = json.dumps({name: getattr(training, name) for name in names}, sort_keys=True)
    return hashlib.sha256(f"{digest} {told}".encode()).hexdigest()


def _look(run: _Run, network: Any, epoch: Epoch) -> None:
    """Keeps the state where it is the best so far, or where nobody can say."""
    run.curve.append(epoch)
    if epoch.judged is not None and epoch.judged <= run.best:
        run.waited += 1
        return
    run.waited = 0
    run.best = run.best if epoch.judged is None else epoch.judged
    run.best_state = {name: part.detach().clone() for name, part in network.state_dict().items()}


def _figures(run: _Run, training: Training, epoch: int, seconds: float) -> Figures:
    last = run.curve[-1]
    found = {"loss": last.loss, "seconds": seconds}
    found["learning_rate"] = training.rate(epoch / training.epochs)
    return found if last.judged is None else {**found, "validation": last.judged}


def _keep(kept: Checkpoint, network: Any, optimizer: Any, run: _Run) -> None:
    arrays = {f"network.{name}": part for name, part in network.state_dict().items()}
    arrays |= {f"best.{name}": part for name, part in run.best_state.items()}
    for number, state in optimizer.state_dict()["state"].items():
        arrays |= {f"optimizer.{number}.{name}": part for name, part in state.items()}
    about = {
        "curve": [[epoch.loss, epoch.judged] for epoch in run.curve],
        "best": run.best if math.isfinite(run.best) else None,
        "waited": run.waited,
    }
    kept.write({name: np.asarray(part) for name, part in arrays.items()}, about)


def _restore(torch: Any, kept: Checkpoint, network: Any, optimizer: Any, run: _Run) -> None:
    found = kept.read()
    if found is None:
        return
    arrays, about = found
    parts: dict[str, dict[str, Any]] = {"network": {}, "best": {}, "optimizer": {}}
    for name, array in arrays.items():
        kind, _, rest = name.partition(".")
        parts[kind][rest] = torch.from_numpy(array.copy())
    network.load_state_dict(parts["network"])
    state: dict[int, dict[str, Any]] = {}
    for name, part in parts["optimizer"].items():
        number, _, rest = name.partition(".")
        state.setdefault(int(number), {})[rest] = part
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    run.curve = [Epoch(loss, judged) for loss, judged in about["curve"]]
    run.best = -math.inf if about["best"] is None else about["best"]
    run.waited, run.best_state = about["waited"], parts["best"]
