"""Files of word vectors, as word2vec, GloVe and fastText write them, and broken ones."""

import bz2
import gzip

import numpy as np
import pytest

from palate.core.errors import DataError
from palate.nn import word_vectors as module
from palate.nn.word_vectors import read_word_vectors

WORDS = ["the", "tea", "new york", "自行车", "Bike"]
VECTORS = np.array(
    [[0.5, 1, -2], [3, -0.25, 1], [1, 1, 4], [-1, 0.125, 8], [1e-3, 2, 0]], dtype=np.float32
)


def lines(words=WORDS, vectors=VECTORS, end=""):
    for word, vector in zip(words, vectors, strict=True):
        yield f"{word} {' '.join(f'{value:g}' for value in vector)}{end}\n"


def as_text(*, header=False, end=""):
    return (f"{len(WORDS)} 3\n" if header else "") + "".join(lines(end=end))


def as_binary(words=("the", "tea", "自行车"), vectors=VECTORS[[0, 1, 3]], newline=b"\n"):
    body = b"".join(
        word.encode() + b" " + vector.astype("<f4").tobytes() + newline
        for word, vector in zip(words, vectors, strict=True)
    )
    return f"{len(words)} {vectors.shape[1]}\n".encode() + body


def written(path, content):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("end", ["", " ", "\r"])
def test_text_with_and_without_a_header(tmp_path, header, end):
    found = read_word_vectors(written(tmp_path / "v.txt", as_text(header=header, end=end)))
    assert found.words == WORDS
    np.testing.assert_allclose(found.vectors, VECTORS, rtol=1e-3)
    assert found.vectors.dtype == np.float16
    assert (found.total, found.repeated, found.unreadable) == (5, 0, 0)


def test_tabs_and_a_mark_and_no_last_newline(tmp_path):
    content = "\ufeff" + as_text().replace(" york", "-york").replace(" ", "\t").rstrip("\n")
    found = read_word_vectors(written(tmp_path / "v.txt", content))
    assert found.words == ["the", "tea", "new-york", "自行车", "Bike"]


@pytest.mark.parametrize("newline", [b"\n", b""])
def test_binary(tmp_path, newline):
    found = read_word_vectors(written(tmp_path / "v.bin", as_binary(newline=newline)))
    assert found.words == ["the", "tea", "自行车"]
    np.testing.assert_allclose(found.vectors, VECTORS[[0, 1, 3]], rtol=1e-3)


@pytest.mark.parametrize(
    ("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".GZ", gzip.compress)]
)
@pytest.mark.parametrize("content", [as_text().encode(), as_binary()])
def test_packed(tmp_path, suffix, pack, content):
    plain = read_word_vectors(written(tmp_path / "v.vec", content))
    packed = read_word_vectors(written(tmp_path / f"v.vec{suffix}", pack(content)))
    assert packed.words == plain.words
    np.testing.assert_array_equal(packed.vectors, plain.vectors)


@pytest.mark.parametrize("content", [as_text().encode(), as_binary()])
def test_the_first_words_and_those_that_are_wanted(tmp_path, content):
    path = written(tmp_path / "v", content)
    assert read_word_vectors(path, most=2).words == ["the", "tea"]
    found = read_word_vectors(path, most=1, wanted={"自行车", "Bike", "no"})
    assert found.words[:2] == ["the", "自行车"]
    np.testing.assert_allclose(found.vectors[1], VECTORS[3], rtol=1e-3)
    assert found.total == (5 if content.startswith(b"the") else 3)


def test_of_a_word_that_stands_twice_the_first_counts(tmp_path):
    content = as_text() + "tea 9 9 9\nthe 8 8 8\n"
    found = read_word_vectors(written(tmp_path / "v", content))
    assert found.words == WORDS
    assert (found.repeated, found.total) == (2, 7)
    np.testing.assert_allclose(found.vectors, VECTORS, rtol=1e-3)


def test_words_that_are_no_utf8_are_left_out_and_counted(tmp_path):
    content = as_text().encode() + b"caf\xe9 1 2 3\n 1 2 3\n"
    found = read_word_vectors(written(tmp_path / "v", content))
    assert found.words == WORDS
    assert found.unreadable == 2


@pytest.mark.parametrize("number", [0.1, 0.137])
def test_binary_without_a_byte_of_zero(tmp_path, number):
    vectors = np.full((3, 3), number, dtype=np.float32)
    content = as_binary(vectors=vectors, words=("a", "b", "c"))
    assert b"\0" not in content
    found = read_word_vectors(written(tmp_path / "v", content))
    np.testing.assert_allclose(found.vectors, vectors, rtol=1e-3)


def test_it_is_read_block_by_block(tmp_path, monkeypatch):
    whole = read_word_vectors(written(tmp_path / "v", as_text()))
    binary = read_word_vectors(written(tmp_path / "b", as_binary()))
    for block in (1, 7, 64):
        monkeypatch.setattr(module, "_BLOCK", block)
        assert read_word_vectors(tmp_path / "v").words == whole.words
        parts = read_word_vectors(tmp_path / "b")
        assert parts.words == binary.words
        np.testing.assert_array_equal(parts.vectors, binary.vectors)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (as_text() + "x 1 2\n", r"line 6 \('x'\): 2 numbers, not 3"),
        (as_text() + "x 1.5 1 2 3\n", r"line 6 \('x 1.5'\): 4 numbers, not 3"),
        (as_text() + "x 1 nan 3\n", r"line 6 \('x'\): NaN, infinity or a number over 65,504"),
        (as_text() + "x 1 1e9 3\n", r"line 6 \('x'\): NaN, infinity"),
        (as_text() + "x 1 a 3\n", r"line 6 \('x'\): 'a' is no number"),
        (as_text() + "x 1 1_0 3\n", r"line 6 \('x'\): '1_0' is no number"),
        ("9 3\n" + as_text(), "promises 9 words.*holds 5"),
        (as_text() + "a 1\nb 2\nc 3\nd 4\n", r"line 6.*line 7.*line 8.*and 1 more \(4 in all\)"),
        ("", "is empty"),
        ("5 3\n", "promises 5 words.*holds 0"),
        ("title,year\nHeat,1995\n", "holds no word vectors"),
        (b"PAR1abc", "is Parquet"),
        (b"PK\x03\x04abc", "unpack it"),
        (b"\xba\x16\x4f\x2fabc", "fastText.*take the .vec"),
        (b"\x80\x04\x95abc", "pickle"),
        (as_text().encode("utf-16"), "save it as UTF-8"),
        (as_binary()[:-7], "ends in the middle of word 3 of 3"),
        (as_binary(vectors=VECTORS[[0, 1, 3]] * np.float32(np.inf)), r"word 1 \('the'\): NaN"),
        (b"1000000000000000000 3\nthe " + b"\0" * 12, "ends in the middle of word 2"),
        (b"3 999999999999\nthe " + b"\0" * 12, "999,999,999,999 numbers a word"),
        (b"3 3\n" + b"\0" * 2_000_000, "no word ends"),
        ("1 3\nthe 1 2\n", r"line 2 \('the'\): 2 numbers, not 3"),
    ],
)
def test_what_is_broken_is_named(tmp_path, content, said):
    path = written(tmp_path / "v.vec", content)
    with pytest.raises(DataError, match=said) as raised:
        read_word_vectors(path)
    assert str(path) in str(raised.value)


def test_a_line_without_end_takes_no_memory(tmp_path):
    with pytest.raises(DataError, match="line 1 is longer than"):
        read_word_vectors(written(tmp_path / "v", b"a" * 3_000_000))


def test_what_unpacks_to_far_too_much_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_PLENTY", 1000)
    content = gzip.compress(b"the 1 2 3\n" * 100_000)
    with pytest.raises(DataError, match="unpacks to more than"):
        read_word_vectors(written(tmp_path / "v.gz", content))


def test_damaged_packing_and_missing_files_are_told(tmp_path):
    whole = gzip.compress(as_text().encode())
    for name, content in (("cut", whole[:-9]), ("text", as_text().encode())):
        with pytest.raises(DataError, match="damaged, it cannot be unpacked"):
            read_word_vectors(written(tmp_path / f"{name}.gz", content))
    with pytest.raises(DataError, match=r"add \.gz to its name"):
        read_word_vectors(written(tmp_path / "v.txt", whole))
    with pytest.raises(DataError, match="there is no file"):
        read_word_vectors(tmp_path / "none.txt")
    with pytest.raises(DataError, match="is a folder"):
        read_word_vectors(tmp_path)
