"""What computes a language model's vectors: torch, OpenVINO or ONNX Runtime."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from io import BytesIO
from typing import Any, Literal, TypeAlias

import numpy as np

from palate.core.arrays import Batches, Floats
from palate.core.errors import ConfigError
from palate.core.optional import Requirement, check_installed, is_installed
from palate.core.parallel import cores
from palate.nn.hardware import import_torch, settle
from palate.nn.hub.fetch import quiet
from palate.nn.language.int8 import quantise
from palate.nn.language.tokenize import Places, Run, TokenIds
from palate.nn.telemetry import import_onnxruntime, import_openvino

Backend: TypeAlias = Literal["auto", "torch", "openvino", "onnx"]

NAMES = {"torch": "torch", "openvino": "OpenVINO", "onnx": "ONNX Runtime"}
_MODULES = {"openvino": ("openvino",), "onnx": ("onnxruntime", "onnx")}
_EXAMPLE = (2, 7)
_PRECISIONS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}


def needed_by(backend: Backend) -> tuple[Requirement, ...]:
    """What a backend needs beside torch."""
    modules = _MODULES.get(backend)
    return () if modules is None else (Requirement(modules, f'backend="{backend}"'),)


def choose_backend(backend: Backend, device: str, dtype: str) -> str:
    """The backend that "auto" stands for: the fastest that is installed for this hardware.

    Raises `MissingExtraError` for one that is not installed, `ConfigError` for one that cannot
    compute there.
    """
    if backend == "auto":
        backend = _quickest(device, dtype)
    elif backend != "torch":
        check_installed(needed_by(backend))
        if device != "cpu":
            raise ConfigError(
                f'backend = "{backend}" computes on the processor, not on {device!r}: '
                'leave it at "auto", or choose device="cpu"'
            )
    if backend == "onnx" and dtype in ("bfloat16", "float16"):
        raise ConfigError(f"ONNX Runtime computes in float32 or int8 here, not in {dtype!r}")
    if backend == "torch" and dtype == "int8":
        raise ConfigError(
            "int8 is computed by OpenVINO or ONNX Runtime on the processor: "
            'pip install "palate[speed]", and choose device = "cpu"'
        )
    return backend


def _quickest(device: str, dtype: str) -> Backend:
    if device == "cpu" and is_installed(*_MODULES["openvino"]):
        return "openvino"
    plain = device == "cpu" and dtype in ("float32", "int8")
    return "onnx" if plain and is_installed(*_MODULES["onnx"]) else "torch"


def torch_engine(module: Any, device: str) -> Run:
    """On a processor one batch a core at once, on a card one after the other."""
    torch = import_torch()
    module = module.to(device)

    def encode(ids: TokenIds) -> Floats:
        with torch.inference_mode():
            found = module(torch.from_numpy(ids).to(device))
            vectors: Floats = found.float().cpu().numpy()
            return vectors

    if device != "cpu":
        return lambda batches: ((rows, encode(ids)) for rows, ids in batches)

    def encode_all(batches: Iterable[tuple[Places, TokenIds]]) -> Batches:
        before = torch.get_num_threads()  # workers set it for threads that are yet to come
        try:
            yield from _in_threads(encode, cores(), lambda: torch.set_num_threads(1), batches)
        finally:
            torch.set_num_threads(before)

    return encode_all


def _in_threads(
    encode: Callable[[TokenIds], Floats],
    workers: int,
    start: Callable[[], Any],
    batches: Iterable[tuple[Places, TokenIds]],
) -> Batches:
    """Each worker computes a batch alone: small matrices gain little from many threads."""
    waiting: deque[tuple[Places, Future[Floats]]] = deque()
    with ThreadPoolExecutor(workers, initializer=start) as pool:
        for rows, ids in batches:
            waiting.append((rows, pool.submit(encode, ids)))
            if len(waiting) > 2 * workers:
                done, future = waiting.popleft()
                yield done, future.result()
        for done, future in waiting:
            yield done, future.result()


def openvino_engine(
    module: Any, dtype: str, examples: Callable[[], Iterable[TokenIds]] = list
) -> Run:
    """OpenVINO with one stream a core. int8 takes the ranges of numbers from `examples`."""
    ov = import_openvino()
    torch = import_torch()
    with _tracing():
        graph = ov.convert_model(
            module,
            example_input=torch.ones(_EXAMPLE, dtype=torch.long),
            input=[("input_ids", [-1, -1], ov.Type.i64)],
        )
    _keep_angles_exact(graph)
    if dtype == "int8":
        quantise(graph, examples())
        _, dtype = settle("cpu", "auto")  # of what is not worth rounding
    settings = {
        "INFERENCE_PRECISION_HINT": _PRECISIONS[dtype],
        "INFERENCE_NUM_THREADS": cores(),
        "NUM_STREAMS": cores(),
    }
    compiled = ov.Core().compile_model(graph, "CPU", settings)
    return partial(_openvino_run, compiled)


def _keep_angles_exact(graph: Any) -> None:
    """Rotary positions in float32, as torch has them: in bfloat16 the later words would mix.

    What leads to an output without a matrix product is computed in its own precision, so the sines
    and cosines become outputs beside the vectors.
    """
    angles = [node for node in graph.get_ops() if node.get_type_name() in ("Sin", "Cos")]
    graph.add_outputs([node.output(0) for node in angles])


def _openvino_run(compiled: Any, batches: Iterable[tuple[Places, TokenIds]]) -> Batches:
    """Requests that this thread starts and waits for, enough that no stream runs dry meanwhile.

    A callback would run Python on OpenVINO's threads, which wait for the interpreter's lock while
    whoever holds it waits for them to end.
    """
    idle = [compiled.create_infer_request() for _ in range(2 * cores())]
    running: deque[tuple[Places, Any]] = deque()
    try:
        for rows, ids in batches:
            if not idle:
                yield _awaited(running, idle)
            request = idle.pop()
            request.start_async([ids])
            running.append((rows, request))
        while running:
            yield _awaited(running, idle)
    finally:
        for _, request in running:
            with suppress(RuntimeError):  # of work that nobody waits for any more
                request.wait()


def _awaited(running: deque[tuple[Places, Any]], idle: list[Any]) -> tuple[Places, Floats]:
    """What the oldest request found, which may then be started again."""
    rows, request = running[0]
    request.wait()
    running.popleft()
    vectors: Floats = np.array(request.get_output_tensor(0).data)
    idle.append(request)
    return rows, vectors


def onnx_engine(module: Any, dtype: str) -> Run:
    """ONNX Runtime with one thread a core, on its own graph of the model."""
    onnxruntime = import_onnxruntime()
    torch = import_torch()
    written = BytesIO()
    with _tracing():
        torch.onnx.export(
            module,
            (torch.ones(_EXAMPLE, dtype=torch.long),),
            written,
            input_names=["input_ids"],
            output_names=["vectors"],
            dynamic_axes={"input_ids": {0: "n", 1: "length"}, "vectors": {0: "n"}},
            dynamo=False,
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    content = _quantised(written.getvalue()) if dtype == "int8" else written.getvalue()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def encode(ids: TokenIds) -> Floats:
        # a text alone would be summed up in another order than beside others
        company = np.repeat(ids, 2, axis=0) if len(ids) == 1 else ids
        vectors: Floats = session.run(None, {"input_ids": company})[0]
        return vectors[: len(ids)]

    return partial(_in_threads, encode, cores(), lambda: None)


def _quantised(graph: bytes) -> bytes:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    written = BytesIO()
    quantize_dynamic(
        onnx.load_from_string(graph), written, per_channel=True, weight_type=QuantType.QInt8
    )
    return written.getvalue()


@contextmanager
def _tracing() -> Iterator[None]:
    """What a tracer says about Python's branches does not concern who encodes texts."""
    import logging

    before = logging.root.manager.disable
    with warnings.catch_warnings(), quiet():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)
