"""Partitions on the workers of a Ray cluster: actors hold the encoder; the dead are replaced."""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, TypeAlias

from palate.core.errors import ConfigError, DataError, Message, PalateError, Setting
from palate.core.optional import optional
from palate.core.parallel import cores
from palate.features.batch.folder import WriteError
from palate.features.batch.work import Failure, Job, Part, Todo
from palate.features.batch.worker import Worker

ATTEMPTS = 3
STORE_BYTES = 100 * 2**20  # names and counts are all that travels through Ray's object store

Resources: TypeAlias = dict[str, float]


def run(
    job: Job,
    todo: Iterable[Todo],
    advance: Callable[[int], None],
    *,
    workers: int | None = None,
) -> Iterator[Part | Failure]:
    """Parts as they are done, in any order; see `_local.run`.

    A partition whose worker dies is done again by a new one, `ATTEMPTS` times in all.
    """
    ray = optional("ray", needed_for=Setting("engine", "ray"))
    with _cluster(ray, workers):
        crew = _Crew(ray, job, *_shares(ray.cluster_resources(), workers))
        try:
            for done in crew.work(deque(todo)):
                if isinstance(done, Part):
                    advance(done.rows)
                yield done
        finally:
            crew.dismiss()


@contextmanager
def _cluster(ray: Any, workers: int | None) -> Iterator[None]:
    """The cluster that runs already, or one of this machine's processors until the end."""
    if ray.is_initialized():
        yield
        return
    quiet = {"logging_level": "ERROR", "log_to_driver": False}
    try:
        try:
            ray.init(address="auto", **quiet)
        except ConnectionError:
            with _without_reporter():
                ray.init(
                    address="local",
                    num_cpus=max(cores(), workers or 1),
                    include_dashboard=False,
                    object_store_memory=STORE_BYTES,
                    **quiet,
                )
        yield
    finally:
        ray.shutdown()


@contextmanager
def _without_reporter() -> Iterator[None]:
    """Not the process that a cluster without a dashboard has for usage statistics alone.

    It asks the clouds' hosts for metadata whose machine this is, though statistics are turned off.
    """
    services: Any = sys.modules.get("ray._private.services")
    start = getattr(services, "start_api_server", None)
    if start is None:
        yield
        return
    services.start_api_server = lambda *_, **__: (None, None)  # as where it fails to start
    try:
        yield
    finally:
        services.start_api_server = start


def _shares(cluster: Resources, workers: int | None) -> tuple[int, Resources]:
    """How many workers, and what each may use: a GPU where there are enough, else processors."""
    processors, cards = int(cluster.get("CPU", 1)), int(cluster.get("GPU", 0))
    count = workers or cards or max(processors, 1)
    return count, {
        "num_cpus": max(processors // count, 1),
        "num_gpus": 1 if count <= cards else 0,
    }


class _Hand:
    """A worker in a process of its own; what it answers is JSON."""

    def __init__(self, job: str) -> None:
        self.worker = Worker(Job.of_json(job))

    def ready(self) -> None:
        """Answers once the process is there."""

    def work(self, number: int, left_out: list[int]) -> str:
        """The part, or why there is none."""
        try:
            return json.dumps({"part": asdict(self.worker.work(number, left_out))})
        except PalateError as error:
            ends = not isinstance(error, DataError) or isinstance(error, WriteError)
            return json.dumps({"failure": error.message.to_json(), "ends": ends})


class _Crew:
    """Hands that take partitions from one heap; each has one at a time."""

    def __init__(self, ray: Any, job: Job, count: int, resources: Resources) -> None:
        self.ray, self.job = ray, job
        self.count, self.resources = count, resources
        self.busy: dict[Any, tuple[Any, Todo | None]] = {}
        self.deaths: Counter[int | None] = Counter()

    def work(self, heap: deque[Todo]) -> Iterator[Part | Failure]:
        """Until nothing is left; hands that are not there yet are not waited for at the end."""
        for _ in range(min(self.count, len(heap))):
            self._add_hand()
        while heap or any(todo for _, todo in self.busy.values()):
            (reference, *_), _ = self.ray.wait(list(self.busy), num_returns=1)
            hand, todo = self.busy.pop(reference)
            try:
                answer = self.ray.get(reference)
            except (
                self.ray.exceptions.RayActorError,
                self.ray.exceptions.WorkerCrashedError,
                self.ray.exceptions.OutOfMemoryError,
            ) as error:
                failure = self._died(todo, error)
                if failure is not None:
                    yield failure
                elif todo is not None:
                    heap.appendleft(todo)
                self.ray.kill(hand)
                if heap:
                    self._add_hand()
                continue
            if todo is not None:
                yield self._understood(todo, json.loads(answer))
            if heap:
                number, left_out = heap[0]
                self.busy[hand.work.remote(number, left_out)] = hand, heap.popleft()
            else:
                self.ray.kill(hand)

    def _add_hand(self) -> None:
        kind: Any = self.ray.remote(_Hand).options(**self.resources)
        hand = kind.remote(self.job.to_json())
        self.busy[hand.ready.remote()] = hand, None

    def _died(self, todo: Todo | None, error: Exception) -> Failure | None:
        """Whether the partition is lost for good; `DataError` where rows may not be skipped."""
        number = None if todo is None else todo[0]
        self.deaths[number] += 1
        reason = " ".join(str(error).split())[:300]
        what = "a worker" if number is None else self.job.named(number)
        if self.deaths[number] < ATTEMPTS:
            warnings.warn(f"{what}: the worker died and is replaced", RuntimeWarning, stacklevel=2)
            return None
        message = (
            f"{what}: its worker died {ATTEMPTS} times. If memory ran out, take a smaller"
            f" partition_rows or fewer workers. Ray says: {reason}"
        )
        if number is None or self.job.on_error == "raise":
            raise DataError(message) from error
        return Failure(number, message)

    def _understood(self, todo: Todo, answer: dict[str, Any]) -> Part | Failure:
        if "part" in answer:
            part = answer["part"]
            tuples = {name: tuple(part[name]) for name in ("faults", "damaged")}
            return Part(**part | tuples)
        failure = Message.of_json(answer["failure"])
        if answer["ends"]:
            raise ConfigError("on a worker: ", failure)
        if self.job.on_error == "raise":
            raise DataError(failure)
        return Failure(todo[0], str(failure))

    def dismiss(self) -> None:
        """Ends what still works, after an error or an interrupt."""
        for hand, _ in self.busy.values():
            self.ray.kill(hand)
        self.busy = {}
