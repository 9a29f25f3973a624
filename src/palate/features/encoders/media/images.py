"""Photos as files hold them → RGB pictures: upright, on white, refused where they are unsafe."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from math import ceil
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np

from palate.core.optional import Requirement
from palate.features.encoders.media.sources import UnreadableError

NEEDED = Requirement(("PIL",), "an encoder of photos")
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "AVIF", "BMP", "TIFF", "JPEG2000", "PPM")
MAX_PIXELS = 50_000_000
LONGEST_STRIP = 16

_LARGE_PIXELS = 8_000_000
_one_large_at_a_time = Lock()

_WHAT_ELSE_IT_IS = (
    (b"<svg", "an SVG drawing"),
    (b"<html", "a web page"),
    (b"<!doctype html", "a web page"),
    (b"%pdf", "a PDF document"),
    *((b"ftyp" + brand, "a HEIC photo") for brand in (b"hei", b"hev", b"mif1", b"msf1")),
    (b"<?xml", "an XML file"),
)


def read_picture(content: bytes, side: int = 0) -> Any:
    """An upright RGB `PIL.Image` of the first frame; `UnreadableError` says why there is none.

    The header is judged before anything is decoded: more than `MAX_PIXELS` are refused. A large
    JPEG is decoded at 1/2, 1/4 or 1/8 of its size where its shorter side keeps twice `side`
    pixels. Transparency lies on white. Of a strip only the middle is kept, `LONGEST_STRIP` times
    as long as wide.
    """
    import_pillow()
    try:
        picture = _opened(content)
        pixels = _refuse_bombs(picture, side)
        with _memory_for(pixels):
            picture.load()
            return _middle_of_strip(_on_white(_upright(picture)))
    except UnreadableError:
        raise
    except Exception as error:  # a damaged file makes Pillow raise anything
        raise UnreadableError(f"it cannot be decoded: {error}") from error


def import_pillow() -> ModuleType:
    """`PIL.Image` with its formats, or `MissingExtraError`."""
    NEEDED.load()
    from PIL import Image

    _know_formats()
    return Image  # type: ignore[no-any-return]


@cache
def _know_formats() -> None:
    from PIL import Image

    Image.init()


def _opened(content: bytes) -> Any:
    """As `Image.open`, without its own check of the size, which warns where this refuses."""
    image = import_pillow()
    from io import BytesIO

    for name in FORMATS:
        factory, accept = image.OPEN.get(name, (None, None))
        if factory is None or (accept is not None and accept(content[:16]) is not True):
            continue
        with contextlib.suppress(SyntaxError):  # another format with the same first bytes
            return factory(BytesIO(content), "")
    start = content[:512].lower()
    for mark, what in _WHAT_ELSE_IT_IS:
        if mark in start:
            raise UnreadableError(f"it is {what}: convert it to PNG or JPEG")
    raise UnreadableError("it is no photo in a format that can be read (JPEG, PNG, WebP, …)")


def _refuse_bombs(picture: Any, side: int) -> int:
    """The pixels that will be decoded; a JPEG is told to decode fewer."""
    width, height = picture.size
    if not width or not height:
        raise UnreadableError("it has no pixels")
    needed = 2 * side / min(width, height)
    if picture.format in ("JPEG", "MPO") and 0 < needed < 1:
        picture.draft(None, (ceil(width * needed), ceil(height * needed)))
    # a progressive JPEG is held whole in memory, however few pixels are asked for
    size = (width, height) if picture.info.get("progressive") else picture.size
    pixels: int = size[0] * size[1]
    if pixels > MAX_PIXELS:
        raise UnreadableError(
            f"it has {width} x {height} pixels, and more than {MAX_PIXELS // 10**6} million are "
            "not decoded: make it smaller"
        )
    return pixels


def _memory_for(pixels: int) -> AbstractContextManager[Any]:
    """Threads decode small pictures side by side, large ones one by one."""
    return _one_large_at_a_time if pixels > _LARGE_PIXELS else nullcontext()


def _upright(picture: Any) -> Any:
    """Turned as the camera was held; a photo whose notes on that are damaged stays as it is."""
    from PIL import ImageOps

    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(picture, in_place=True)
    return picture


def _on_white(picture: Any) -> Any:
    if picture.mode.startswith(("I", "F")):
        return _eight_bits(picture).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    seen = picture.convert("RGBA")
    white = import_pillow().new("RGBA", seen.size, "white")
    white.alpha_composite(seen)
    return white.convert("RGB")


def _eight_bits(picture: Any) -> Any:
    """Grey of 16 or 32 bits, or in fractions, as grey of 8."""
    values = np.nan_to_num(np.asarray(picture, dtype=np.float32), posinf=0.0, neginf=0.0)
    brightest = float(values.max())
    if picture.mode.startswith("I;16"):
        white = 65535.0
    else:
        fits = [top for top in (1.0, 255.0, 65535.0) if brightest <= top]
        white = fits[0] if fits else brightest
    scaled = np.clip(np.rint(values * (255.0 / white)), 0, 255).astype(np.uint8)
    return import_pillow().fromarray(scaled)


def _middle_of_strip(picture: Any) -> Any:
    width, height = picture.size
    most = LONGEST_STRIP * min(width, height)
    if max(width, height) <= most:
        return picture
    left, top = max(0, width - most) // 2, max(0, height - most) // 2
    return picture.crop((left, top, left + min(width, most), top + min(height, most)))
