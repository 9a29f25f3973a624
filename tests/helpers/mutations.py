"""Changes of a model folder that are sealed as if palate had written them, one for each seed.

`python mutations.py FOLDER FIRST COUNT` loads what each seed makes of the folder and asks it
everything. It prints what raised anything but palate's own errors, and the seed before each try, so
that whoever runs it knows at which one the process ended.
"""

import random
import re
import shutil
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

import numpy as np
import polars as pl
from model_folders import parquet, put, seal, unsealed
from safetensors.numpy import load_file, save

import palate
from palate.core.errors import ArtefactError, PalateError

NUMBERS = (0, 1, -1, 7, 10**6, -(10**6), 2**31 - 1, -(2**31), float("nan"), float("inf"))
VALUES = (None, True, 0, -1, 3, 10**12, 10**30, "", "x", "\ud800", "\0", [], {}, [[]], {"$": "x"})
TOKENS = ("-1", "0", "1", "14", "15", "99", "1000000", "2147483648", "nan", "inf", "x", "", "1e999")


def mutated(folder: Path, seed: int, into: Path) -> str:
    """A copy of the folder with one change; says which."""
    draw = random.Random(seed)
    shutil.copytree(folder, into)
    manifest = unsealed(into)
    arrays = load_file(into / manifest["arrays"])
    change = draw.choice([_array, _array, _array, _tree, _tree, _tree, _table, _trees])
    said = change(draw, manifest, arrays, into)
    manifest["arrays"] = put(into, save(arrays), "safetensors")
    try:
        seal(into, manifest)
    except UnicodeEncodeError:
        return f"{said} (cannot be written)"
    return f"{change.__name__} {said}"


def _array(draw, manifest, arrays, into):
    name = draw.choice(sorted(arrays))
    array = arrays[name].copy()
    kinds = [_cell, _cell, _cell, _cast, _shape, _other]
    kind = draw.choice(kinds)
    array, said = kind(draw, array, arrays)
    arrays[name] = np.ascontiguousarray(array)
    return f"{name}: {said}"


def _cell(draw, array, arrays):
    if not array.size:
        return np.ones(3, dtype=array.dtype), "three ones"
    place, value = (
        draw.choice([0, array.size - 1, draw.randrange(array.size)]),
        draw.choice(NUMBERS),
    )
    with np.errstate(all="ignore"):
        array.reshape(-1)[place] = np.array(value).astype(array.dtype)
    return array, f"[{place}] = {value}"


def _cast(draw, array, arrays):
    dtype = draw.choice(["float64", "float16", "int64", "int32", "int8", "uint64", "bool"])
    with np.errstate(all="ignore"):
        return array.astype(dtype), dtype


def _shape(draw, array, arrays):
    how = draw.randrange(8)
    if how == 0:
        return array[:-1], "one fewer"
    if how == 1:
        return np.concatenate([array, array[-1:]]), "one more"
    if how == 2:
        return array.reshape(-1), "flat"
    if how == 3:
        return array.T, "turned"
    if how == 4:
        return array[:0], "empty"
    if how == 5:
        return array[..., :-1], "narrower"
    if how == 6:
        return np.empty((0, 10**12), dtype=array.dtype), "vast"
    return array[::-1], "reversed"


def _other(draw, array, arrays):
    other = draw.choice(sorted(arrays))
    return arrays[other].copy(), f"as {other}"


def _tree(draw, manifest, arrays, into):
    holder, key, path = manifest["tree"], None, "tree"
    while isinstance(holder, dict | list) and holder:
        inner = draw.choice(sorted(holder) if isinstance(holder, dict) else range(len(holder)))
        parent, key, path = holder, inner, f"{path}/{inner}"
        holder = holder[inner]
        if draw.random() < 0.15:
            break
    how = draw.randrange(5)
    if how == 0 and isinstance(parent, dict):
        del parent[key]
        return f"{path}: gone"
    if how == 1 and isinstance(parent, dict):
        parent[f"{key}_"] = parent.pop(key)
        return f"{path}: another name"
    if how == 2 and isinstance(parent[key], int):
        parent[key] += draw.choice([-1, 1, 2**40, -(2**70)])
        return f"{path}: {parent[key]}"
    if how == 3 and isinstance(parent[key], list):
        parent[key] = parent[key][:-1] if draw.random() < 0.5 else parent[key] * 2
        return f"{path}: a list of {len(parent[key])}"
    parent[key] = draw.choice([*VALUES, *({"$": "array", "name": name} for name in arrays)])
    return f"{path}: {parent[key]!r}"


def _table(draw, manifest, arrays, into):
    name = draw.choice(sorted(manifest["tables"]))
    table = pl.read_parquet(into / manifest["tables"][name])
    how, column = draw.randrange(8), draw.choice(table.columns)
    if how == 0:
        changed = table.drop(column)
    elif how == 1:
        changed = table.rename({column: f"{column}_"})
    elif how == 2:
        changed = table.with_columns(pl.lit(draw.choice([3, None, 1.5, "x"])).alias(column))
    elif how == 3:
        changed = table[:-1]
    elif how == 4:
        changed = pl.concat([table, table[-1:]])
    elif how == 5:
        changed = table.with_columns(pl.when(pl.int_range(pl.len()) > 0).then(pl.col(column)))
    elif how == 6:
        changed = table.clear()
    else:
        content = bytearray((into / manifest["tables"][name]).read_bytes())
        for _ in range(draw.randrange(1, 6)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        manifest["tables"][name] = put(into, bytes(content), "parquet")
        return f"{name}: other bytes"
    manifest["tables"][name] = put(into, parquet(changed), "parquet")
    return f"{name}: {how} {column}"


def _trees(draw, manifest, arrays, into):
    texts = []

    def find(node):
        for key, part in node.items() if isinstance(node, dict) else enumerate(node):
            if isinstance(part, str) and part.startswith("tree\n"):
                texts.append((node, key))
            elif isinstance(part, dict | list):
                find(part)

    find(manifest["tree"])
    if not texts:
        return _tree(draw, manifest, arrays, into)
    node, key = draw.choice(texts)
    text = node[key]
    body = text.index("end of trees")
    if draw.random() < 0.2:
        place = draw.randrange(body)
        node[key] = text[:place] + draw.choice(["", "\n", "=", " 1", "\n\n"]) + text[place + 1 :]
        return f"other text at {place}"
    found = draw.choice(list(re.finditer(r"(?<=[= ])[-+.\w]+(?=[ \n])", text[:body])))
    token = draw.choice(TOKENS)
    node[key] = text[: found.start()] + token + text[found.end() :]
    return f"{found.group()} → {token} at {found.start()}"


def asked(model) -> pl.DataFrame:
    """What a model says when everything is asked of it."""
    users = model.known_users.histories.user_ids.to_list()
    parts = [model.recommend(users[:12], k=8, reasons=True).table]
    ids = model.item_ids.tolist()
    parts.append(model.recommend(history=ids[:3], k=5, reasons=True).table)
    model.top_users(ids[0], k=3)
    if any(hasattr(encoder, "encode_texts") for encoder in model.encoders_.values()):
        parts.append(model.recommend(text="green leaf", k=5, reasons=True).table)
    new = model.data_.items.head(1).with_columns(item_id=pl.lit("a new one"))
    model.add_items(new)
    parts.append(model.recommend(users[:12], k=8, reasons=True).table)
    return pl.concat(parts)


def main(folder: Path, first: int, count: int) -> int:
    warnings.simplefilter("ignore")
    faults = 0
    tally = {}
    for seed in range(first, first + count):
        with tempfile.TemporaryDirectory() as place:
            said = mutated(folder, seed, Path(place) / "model")
            print(f"seed {seed}: {said}".encode("ascii", "backslashreplace").decode(), flush=True)
            how = "lists"
            try:
                model = palate.load(Path(place) / "model")
                how = "used"
                asked(model)
            except ArtefactError:
                how = "refused" if how == "lists" else "artefact at use"
            except PalateError as error:
                print(f"  at use: {type(error).__name__}: {error}"[:200])
                how = "palate error"
            except BaseException:
                faults += 1
                how = "FAULT"
                print(f"FAULT at seed {seed}")
                traceback.print_exc(limit=-4, file=sys.stdout)
            tally[how] = tally.get(how, 0) + 1
    print(tally)
    return min(faults, 100)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
