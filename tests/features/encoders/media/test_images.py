import struct
import sys
import zlib
from io import BytesIO

import numpy as np
import pytest

from palate.core.errors import MissingExtraError
from palate.features.encoders.media import images
from palate.features.encoders.media.images import LONGEST_STRIP, read_picture
from palate.features.encoders.media.sources import UnreadableError

Image = pytest.importorskip("PIL.Image")


def pixels(content, side=0):
    return np.asarray(read_picture(content, side)).astype(int)


def png_header(width, height):
    """A PNG that says it is large and holds next to nothing."""
    return png(width, height, zlib.compress(b"\0" * 1000), depth=8, kind=2)


def png(width, height, body, *, depth, kind):

    def chunk(kind, content):
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", ["PNG", "WEBP", "BMP", "TIFF", "PPM", "GIF", "JPEG", "JPEG2000"])
def test_formats_are_read(draw, form):
    settings = {"lossless": True} if form == "WEBP" else {"quality": 95} if form == "JPEG" else {}
    wanted = np.asarray(draw(5)).astype(int)
    found = pixels(draw.file(5, form, **settings))
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).mean() < (6 if form in ("JPEG", "GIF") else 0.5)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright(draw, orientation):
    """The camera's note says how the rows and columns that it wrote are to be shown."""
    ways = Image.Transpose
    written_as = {
        1: None,
        2: ways.FLIP_LEFT_RIGHT,
        3: ways.ROTATE_180,
        4: ways.FLIP_TOP_BOTTOM,
        5: ways.TRANSPOSE,
        6: ways.ROTATE_90,
        7: ways.TRANSVERSE,
        8: ways.ROTATE_270,
    }[orientation]
    seen = draw(3)
    written = seen if written_as is None else seen.transpose(written_as)
    note = Image.Exif()
    note[0x0112] = orientation
    for form in ("PNG", "TIFF"):
        found = pixels(draw.save(written, form, exif=note))
        np.testing.assert_array_equal(found, np.asarray(seen))


def test_a_damaged_note_costs_no_photo(draw):
    found = pixels(draw.file(3, "PNG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"))
    np.testing.assert_array_equal(found, np.asarray(draw(3)))


def test_transparency_lies_on_white():
    seen = np.zeros((1, 3, 4), dtype=np.uint8)
    seen[0] = [(200, 10, 0, 255), (200, 10, 0, 0), (0, 100, 0, 51)]
    file = BytesIO()
    Image.fromarray(seen).save(file, "PNG")
    assert pixels(file.getvalue()).tolist() == [[[200, 10, 0], [255, 255, 255], [204, 224, 204]]]


def test_palettes_greys_and_colours_that_are_transparent(draw):
    coloured = Image.new("P", (2, 1))
    coloured.putpalette([10, 20, 30, 200, 100, 50])
    coloured.putpixel((1, 0), 1)
    assert pixels(draw.save(coloured)).tolist() == [[[10, 20, 30], [200, 100, 50]]]
    assert pixels(draw.save(coloured, transparency=1)).tolist() == [[[10, 20, 30], [255] * 3]]
    grey = Image.fromarray(np.array([[7, 90]], dtype=np.uint8))
    assert pixels(draw.save(grey)).tolist() == [[[7] * 3, [90] * 3]]
    assert pixels(draw.save(grey, transparency=90)).tolist() == [[[7] * 3, [255] * 3]]
    faint = Image.fromarray(np.array([[[7, 255], [7, 0]]], dtype=np.uint8), "LA")
    assert pixels(draw.save(faint)).tolist() == [[[7] * 3, [255] * 3]]
    black_and_white = Image.fromarray(np.array([[False, True]]))
    assert pixels(draw.save(black_and_white)).tolist() == [[[0] * 3, [255] * 3]]


def test_print_colours(draw):
    red = Image.new("CMYK", (4, 4), (0, 255, 255, 0))
    for form in ("TIFF", "JPEG"):
        found = pixels(draw.save(red, form))[0, 0]
        assert found[0] > 200, form
        assert found[1:].max() < 60, form


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (np.array([[0, 257 * 80, 65535]], dtype=np.uint16), "PNG"),
        (np.array([[0, 257 * 80, 65535]], dtype=np.uint16), "TIFF"),
        (np.array([[0, 257 * 80, 65535]], dtype=np.int32), "TIFF"),
        (np.array([[0, 80, 255]], dtype=np.int32), "TIFF"),
        (np.array([[0, 80 / 255, 1]], dtype=np.float32), "TIFF"),
        (np.array([[np.nan, 80, 255]], dtype=np.float32), "TIFF"),
        (np.array([[-5, 800000, 2550000]], dtype=np.int32), "TIFF"),
    ],
)
def test_deep_greys_keep_their_brightness(draw, values, form):
    found = pixels(draw.save(Image.fromarray(values), form))
    assert found.tolist() == [[[0] * 3, [80] * 3, [255] * 3]]


@pytest.mark.parametrize(("kind", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_deep_colours_keep_their_brightness(kind, channels):
    """Pillow writes no such file: 16 bits a channel, in colour or with transparency."""
    shown = [[0] * 3, [80] * 3, [255] * 3]
    samples = np.full((3, channels), 65535, dtype=">u2")
    samples[:, : 3 if channels > 2 else 1] = np.array(shown)[:, : 3 if channels > 2 else 1] * 257
    body = zlib.compress(b"\0" + samples.tobytes())
    assert pixels(png(3, 1, body, depth=16, kind=kind)).tolist() == [shown]


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_what_moves_the_first_frame_is_seen(draw, form):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    settings = {"lossless": True} if form == "WEBP" else {}
    content = draw.save(frames[0], form, save_all=True, append_images=frames[1:], **settings)
    assert pixels(content)[0, 0].tolist() == [255, 0, 0]


def test_one_pixel_is_a_picture(draw):
    assert pixels(draw.save(Image.new("RGB", (1, 1), (9, 8, 7)))).tolist() == [[[9, 8, 7]]]


def test_of_strips_the_middle_is_kept(draw):
    marked = np.zeros((1, 1001), dtype=np.uint8)
    marked[0, 500] = 255
    for strip in (marked, marked.T):
        picture = read_picture(draw.save(Image.fromarray(strip)))
        assert sorted(picture.size) == [1, LONGEST_STRIP]
        assert np.asarray(picture).max() == 255


def test_large_jpegs_are_decoded_at_a_fraction(draw):
    content = draw.save(draw(4, (1600, 1200)), "JPEG", quality=95)
    assert read_picture(content).size == (1600, 1200)
    small = read_picture(content, side=100)
    assert small.size == (400, 300)
    whole = read_picture(content).resize(small.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(small).astype(int) - np.asarray(whole)).mean() < 2
    assert read_picture(content, side=150).size == (400, 300), "twice the side, no less"
    assert read_picture(content, side=151).size == (800, 600)


@pytest.mark.parametrize("size", [(12_000, 9_000), (60_000, 50_000), (2**31 - 1, 2**31 - 1)])
def test_bombs_are_refused_by_their_header(size, monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda _: pytest.fail("decoded"))
    with pytest.raises(
        UnreadableError, match=rf"{size[0]} x {size[1]} pixels, and more than 50 mil"
    ):
        read_picture(png_header(*size))


def test_a_jpeg_of_100_megapixels_is_refused_unless_few_of_them_are_decoded(draw, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 100_000)
    large = draw(4, (800, 600))
    plain, progressive = (draw.save(large, "JPEG", progressive=how) for how in (False, True))
    assert read_picture(plain, side=50).size == (200, 150)
    for content, side in ((plain, 0), (plain, 290), (progressive, 50)):
        with pytest.raises(UnreadableError, match="800 x 600 pixels"):
            read_picture(content, side)


def test_large_pictures_are_decoded_one_by_one(draw, monkeypatch):
    monkeypatch.setattr(images, "_LARGE_PIXELS", 1000)
    held = []
    upright = images._upright
    lock = images._one_large_at_a_time
    monkeypatch.setattr(
        images, "_upright", lambda picture: held.append(lock.locked()) or upright(picture)
    )
    read_picture(draw.save(draw(1, (40, 30))))
    read_picture(draw.save(draw(1, (30, 20))))
    assert held == [True, False]
    assert not lock.locked()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'<?xml version="1.0"?>\n<svg width="9">', "an SVG drawing: convert it to PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"<!DOCTYPE html><html>not found</html>", "a web page"),
        (b"%PDF-1.7 ...", "a PDF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC photo"),
        (b"\0\0\0\x18ftypheix\0\0\0\0mif1heic", "a HEIC photo"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "a HEIC photo"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9", "no photo in a format"),
        (b"item_id,title\n1,tea", "no photo in a format"),
        (b"\0" * 100, "no photo in a format"),
        (b"\xff", "no photo in a format"),
        (b"\x89PNG\r\n\x1a\n", "no photo in a format|cannot be decoded"),
    ],
)
def test_what_is_no_photo_says_what_it_is(content, why):
    with pytest.raises(UnreadableError, match=why):
        read_picture(content)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9])
def test_truncated_files_are_refused(draw, form, share):
    noise = np.random.default_rng(1).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    content = draw.save(Image.fromarray(noise), form)
    with pytest.raises(UnreadableError):
        read_picture(content[: int(len(content) * share)])


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_read_or_refused_and_nothing_else(draw, form):
    content = np.frombuffer(draw.file(2, form), dtype=np.uint8)
    rng = np.random.default_rng(7)
    refused = 0
    for _ in range(60):
        damaged = content.copy()
        places = rng.integers(0, len(content), rng.integers(1, 12))
        damaged[places] = rng.integers(0, 256, len(places))
        try:
            picture = read_picture(damaged.tobytes(), side=8)
        except UnreadableError:
            refused += 1
        else:
            assert picture.mode == "RGB"
            assert picture.width * picture.height <= images.MAX_PIXELS
    assert refused, "the damage is felt"


def test_without_pillow_the_extra_is_named(draw, monkeypatch):
    content = draw.file(1)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtraError, match=r"palate\[image\]"):
        images.import_pillow()
    with pytest.raises(MissingExtraError, match=r"palate\[image\]"):
        read_picture(content)
