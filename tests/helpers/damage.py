"""Every way in which one learnt part of a saved model can be other than it was, one at a time."""

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from model_folders import put, seal, unsealed
from safetensors.numpy import load_file, save

HUGE = (2.0**1000).hex()
NUMBERS = {"2^1000": 2.0**1000, "10^30": 1e30, "-1": -1.0, "0": 0.0}
SHAPES = {
    "shorter": lambda array: array[:-1],
    "longer": lambda array: np.concatenate([array, array[:1]]),
    "narrower": lambda array: array[..., :-1],
    "wider": lambda array: np.concatenate([array, array[..., :1]], axis=-1),
    "turned": lambda array: array.T,
    "flat": lambda array: array.reshape(-1),
    "column": lambda array: array[:, None],
    "empty": lambda array: array[:0],
    "float64": lambda array: array.astype(np.float64),
    "int8": lambda array: array.astype(np.int8),
}
CELLS = {"nan": np.nan, "inf": np.inf, "10^38": 1e38, "-10^38": -1e38}


def damages(folder: Path, places: list[str]) -> Iterator[tuple[str, dict, dict]]:
    """(what was done, manifest, arrays) for each change below each of these places.

    A place is a path through what the pipeline has learnt, "transforms_/1".
    """
    whole, arrays = unsealed(folder), load_file(folder / unsealed(folder)["arrays"])
    for place in places:
        node = whole["tree"]["learnt"]
        for key in place.split("/"):
            node = node[int(key) if isinstance(node, list) else key]
        for steps, part in _inside(node["learnt"], ()):
            where = f"{place}: {'.'.join(steps)}"
            for said, changed in _changes(part):
                manifest = copy.deepcopy(whole)
                _put(manifest, place, steps, changed)
                yield f"{where} {said}", manifest, arrays
            if part.get("$") == "array":
                for said, array in _other_arrays(arrays[part["name"]]):
                    yield f"{where} {said}", whole, arrays | {part["name"]: array}


def write(old: Path, new: Path, manifest: dict, arrays: dict) -> Path:
    """A folder with that content, sealed as if palate had written it."""
    new.mkdir()
    manifest = {**manifest, "arrays": put(new, save(arrays), "safetensors")}
    for name in {*manifest["tables"].values()}:
        (new / name).hardlink_to(old / name)
    seal(new, manifest)
    return new


def _inside(node, steps):
    """All dicts of the tree below, and the numbers and arrays that they hold."""
    if isinstance(node, dict):
        if "$" in node:
            yield steps, node
        for name, part in node.get("items", {} if "$" in node else node).items():
            yield from _inside(part, (*steps, name))
    elif type(node) is int:
        yield steps, {"$": "int", "value": node}


def _changes(part):
    kind = part["$"]
    if kind == "dict":
        names = list(part["items"])
        for name in names:
            left = {other: value for other, value in part["items"].items() if other != name}
            yield f"without {name}", {**part, "items": left}
        for name in names[:1]:
            yield (
                f"{name} under another name",
                {
                    **part,
                    "items": {f"{n}?" if n == name else n: v for n, v in part["items"].items()},
                },
            )
        if len(names) > 1:
            turned = dict(zip([*names[1:], names[0]], part["items"].values(), strict=True))
            yield "swapped", {**part, "items": turned}
            yield "in another order", {**part, "items": dict(reversed(part["items"].items()))}
        yield "empty", {**part, "items": {}}
    elif kind == "float":
        for said, number in NUMBERS.items():
            yield f"= {said}", {"$": "float", "hex": number.hex()}
    elif kind == "int":
        for number in (-1, 0, part["value"] + 1, 2**40):
            yield f"= {number}", number
    elif kind == "sparse":
        rows, columns = part["shape"]
        yield "one wider", {**part, "shape": [rows, columns + 1]}
    yield "gone", None


def _other_arrays(array):
    for said, made in SHAPES.items():
        if said == "column" or array.ndim > 1 or said not in ("turned", "flat", "wider"):
            changed = np.ascontiguousarray(made(array))
            if changed.shape != array.shape or changed.dtype != array.dtype:
                yield said, changed
    for said, number in CELLS.items():
        if array.dtype.kind == "f" and array.size:
            changed = array.copy()
            changed.reshape(-1)[array.size // 2] = number
            yield f"[{array.size // 2}] = {said}", changed


def _put(manifest, place, steps, changed):
    holder = manifest["tree"]["learnt"]
    for key in place.split("/"):
        holder = holder[int(key) if isinstance(holder, list) else key]
    holder = holder["learnt"]
    for name in steps[:-1]:
        holder = holder[name] if "$" not in holder else holder["items"][name]
    inner = holder["items"] if "$" in holder else holder
    if changed is None:
        del inner[steps[-1]]
    else:
        inner[steps[-1]] = changed
