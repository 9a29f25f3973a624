"""Makes engines of every backend, uses each in part or whole, and drops it: 200 times."""

import faulthandler
import sys
import threading

import numpy as np
import torch
from tiny_language_models import make

from palate.nn.language import backends
from palate.nn.language.pooling import Pooling, pooled_network

BACKENDS = sys.argv[1].split(",")
SECONDS = 240  # then the stacks of all threads are shown, and the process ends
DROPS = 200
OF_A_LANGUAGE_MODEL = 4  # among them: these take a second to make


class Words(torch.nn.Module):
    """The smallest model that reads tokens."""

    def __init__(self):
        super().__init__()
        self.states = torch.nn.Embedding(12, 16)
        self.last = torch.nn.Linear(16, 16)

    def forward(self, input_ids):
        return self.last(self.states(input_ids)).mean(1)


def batches():
    return [(np.arange(4), np.full((4, length), 5)) for length in range(2, 26)]


def engine(backend, module):
    if backend == "openvino":
        return backends.openvino_backend(module, "float32")
    if backend == "int8":
        return backends.openvino_backend(module, "int8", lambda: [ids for _, ids in batches()])
    if backend == "onnx":
        return backends.onnx_backend(module, "float32")
    return backends.torch_backend(module, "cpu")


def spin(ended):
    """Somebody else who wants the interpreter's lock all the time."""
    while not ended.wait(0.0005):
        sum(range(5000))


def main():
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    ended = threading.Event()
    threading.Thread(target=spin, args=(ended,), daemon=True).start()
    tiny, bert = Words().eval(), pooled_network(make("bert")[0].eval(), Pooling(kinds=("mean",)))
    for number in range(DROPS):
        backend = BACKENDS[number % len(BACKENDS)]
        run = engine(backend, bert if number < OF_A_LANGUAGE_MODEL else tiny)
        wanted = (1, 7, 24)[number // len(BACKENDS) % 3]
        found = run(batches())
        shapes = [next(found)[1].shape for _ in range(wanted)]
        assert shapes == [(4, 16)] * wanted, (backend, shapes)
        del found, run  # the first two with work under way
    ended.set()
    print(f"{DROPS} engines were dropped")


main()
