"""Similar clothes from their photos: whose nearest photos show the same kind of thing?

With PALATE_DATA=FOLDER the photos are those of FOLDER/images (a folder for each kind), without it
drawings of clothes in any colour, made in a temporary folder.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from palate.features.encoders.image import Image as ImageEncoder

NEAREST = 10
OUTLINES = {
    "shirt": [(3, 1), (7, 1), (10, 3), (9, 5), (8, 4), (8, 9), (2, 9), (2, 4), (1, 5), (0, 3)],
    "trousers": [(2, 0), (8, 0), (9, 10), (6, 10), (5, 3), (4, 10), (1, 10)],
    "skirt": [(3, 2), (7, 2), (10, 9), (0, 9)],
    "hat": [(0, 7), (3, 6), (3, 3), (5, 2), (7, 3), (7, 6), (10, 7), (5, 8)],
}


def draw_clothes(folder: Path, photos_of_each: int = 15) -> None:
    """Each kind in colours, sizes and places of chance."""
    rng = np.random.default_rng(5)
    for kind, outline in OUTLINES.items():
        (folder / kind).mkdir(parents=True)
        for number in range(photos_of_each):
            ground, cloth = (tuple(rng.integers(0, 256, 3).tolist()) for _ in range(2))
            picture = Image.new("RGB", (240, 240), ground)
            size, corner = rng.uniform(11, 17), rng.uniform(25, 60, 2)
            shape = [tuple((corner + size * np.array(point)).tolist()) for point in outline]
            ImageDraw.Draw(picture).polygon(shape, fill=cloth)
            picture.save(folder / kind / f"{number}.jpg")


def photos_in(folder: Path) -> tuple[list[str], np.ndarray]:
    """Paths within the folder, and the kind that each photo shows."""
    paths = sorted(folder.glob("*/*.jpg"))
    return [str(path.relative_to(folder)) for path in paths], np.array(
        [path.parent.name for path in paths]
    )


def colour_histograms(folder: Path, paths: list[str], shades: int = 8) -> np.ndarray:
    """How much of each photo is of each of 512 colours, as vectors of unit length."""
    rows = []
    for path in paths:
        pixels = np.asarray(Image.open(folder / path).convert("RGB").resize((128, 128)))
        codes = pixels.astype(int) * shades // 256 @ [shades * shades, shades, 1]
        rows.append(np.bincount(codes.ravel(), minlength=shades**3) / codes.size)
    return np.sqrt(rows)


def share_of_same_kind(vectors: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Of each photo's nearest ones, the share that shows what it shows."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :NEAREST]
    return (kinds[nearest] == kinds[:, None]).mean(axis=1)


def chance(kinds: np.ndarray) -> float:
    """The share among photos drawn by lot."""
    _, counts = np.unique(kinds, return_counts=True)
    return float((counts * (counts - 1)).sum() / (len(kinds) * (len(kinds) - 1)))


def compare(folder: Path) -> None:
    paths, kinds = photos_in(folder)
    vectors, _ = ImageEncoder(folder=str(folder)).encode_files(paths)
    print(
        f"{len(paths)} photos of {len(set(kinds))} kinds; of the {NEAREST} nearest, the same kind:"
    )
    print(f"  packaged vision model  {share_of_same_kind(vectors, kinds).mean():.0%}")
    histograms = colour_histograms(folder, paths)
    print(f"  colour histogram       {share_of_same_kind(histograms, kinds).mean():.0%}")
    print(f"  chance                 {chance(kinds):.0%}")
    cosines = vectors @ vectors[0]
    alike = kinds[np.argsort(-cosines, kind="stable")[1:6]]
    print(f"most like {paths[0]}: {', '.join(alike)}")


if __name__ == "__main__":
    data = os.environ.get("PALATE_DATA", "")
    if data and (Path(data) / "images" / "train").is_dir():
        compare(Path(data) / "images" / "train")
    else:
        with tempfile.TemporaryDirectory() as scratch:
            draw_clothes(Path(scratch) / "photos")
            compare(Path(scratch) / "photos")
