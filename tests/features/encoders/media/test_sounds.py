import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palate.features.encoders.media.sounds import Content, filled, windows_of
from palate.features.encoders.media.sources import UnreadableError

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")

LOSSY = {"OGG", "MP3"}


def file(samples, rate=16_000, kind="WAV", subtype=None):
    content = io.BytesIO()
    soundfile.write(content, samples, rate, format=kind, subtype=subtype)
    return content.getvalue()


def tone(pitch, seconds, rate):
    return np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)


def heard(content, **settings):
    return told(content, **settings).windows


def told(content, **settings):
    return windows_of(content, **({"rate": 16_000, "seconds": 3.0, "at_most": 10} | settings))


def noise(seconds, rate=16_000):
    return 0.3 * np.random.default_rng(7).uniform(-1, 1, round(seconds * rate))


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF", "CAF", "AU", "RF64", "W64"])
def test_every_format_becomes_mono_at_the_model_s_rate(kind):
    left, right = 0.8 * tone(440, 1.5, 44_100), 0.2 * tone(440, 1.5, 44_100)
    (window,) = heard(file(np.column_stack([left, right]), 44_100, kind))
    expected = 0.5 * tone(440, 1.5, 16_000)
    assert abs(len(window) - 24_000) < (1200 if kind in LOSSY else 1)
    middle = slice(8_000, 16_000)
    tolerance = 0.02 if kind in LOSSY else 2e-3
    np.testing.assert_allclose(window[middle], expected[middle], atol=tolerance)


def test_a_tone_above_half_the_rate_is_gone():
    mixed = 0.4 * tone(300, 1, 48_000) + 0.4 * tone(11_000, 1, 48_000)
    (window,) = heard(file(mixed, 48_000))
    expected = 0.4 * tone(300, 1, 16_000)
    np.testing.assert_allclose(window[1000:-1000], expected[1000:-1000], atol=2e-3)


@pytest.mark.parametrize(
    ("seconds", "at_most", "starts"),
    [(10, 3, (0, 4, 8)), (5, 10, (0, 1.5, 3)), (6, 3, (0, 2, 4)), (10, 1, (0,)), (1, 10, (0,))],
)
def test_windows_are_spread_over_the_sound(seconds, at_most, starts):
    ramp = (1 + np.arange(seconds * 1000)) / 20_000  # the value says the time
    windows = heard(file(ramp, 1000, subtype="FLOAT"), rate=1000, seconds=2.0, at_most=at_most)
    assert windows.shape == (len(starts), 1000 * min(2, seconds))
    np.testing.assert_allclose(windows[:, 0] * 20 - 0.001, starts, atol=1e-4)
    np.testing.assert_allclose(np.diff(windows), 1 / 20_000, atol=1e-6)


def test_of_a_long_file_only_the_windows_are_read(monkeypatch):
    content = file(noise(120), kind="FLAC")
    read = soundfile.SoundFile.read
    seen = []
    monkeypatch.setattr(
        soundfile.SoundFile, "read", lambda *a, **k: seen.append(len(got := read(*a, **k))) or got
    )
    assert heard(content, at_most=4).shape == (4, 48_000)
    assert sum(seen) == 4 * 48_000


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_a_file_that_breaks_off_counts_as_far_as_it_goes(kind, capfd):
    content = file(noise(24), kind=kind)
    whole, half = heard(content, at_most=8), heard(content[: len(content) // 2], at_most=8)
    assert whole.shape == (8, 48_000)
    assert len(half) in (3, 4, 5)
    np.testing.assert_allclose(half[0], whole[0], atol=1e-3)


SAID = {
    **{
        kind: r"breaks off after (\d+\.\d) of 24\.0 seconds"
        for kind in ("WAV", "AIFF", "AU", "W64")
    },
    "RF64": r"breaks off after (\d+\.\d) of 24\.0 seconds",
    "OGG": r"breaks off after (\d+\.\d) seconds",
    "FLAC": r"parts of its 24\.0 seconds cannot be decoded",
    "MP3": r"parts of its 24\.0 seconds cannot be decoded",
}


@pytest.mark.parametrize("kind", SAID)
def test_what_a_file_has_lost_is_said(kind, capfd):
    content = file(noise(24), kind=kind)
    said = re.search(SAID[kind], told(content[: len(content) // 2], at_most=8).lost)
    assert said
    assert not said.groups() or 6 < float(said[1]) < 13


@pytest.mark.parametrize("tail", [b"", b"garbage" * 50])
@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF", "CAF", "AU", "RF64", "W64"])
def test_a_whole_file_has_lost_nothing_whatever_follows_it(kind, tail, capfd):
    assert told(file(noise(4), kind=kind) + tail).lost == ""


def test_a_few_samples_are_no_loss_worth_a_word():
    assert told(file(noise(4))[:-200]).lost == ""


def test_a_length_that_nobody_knew_is_no_loss():
    content = bytearray(file(noise(2)))
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"  # as it is written into a pipe
    heard = told(bytes(content))
    assert heard.lost == ""
    assert heard.windows.shape == (1, 32_000)


def wav(samples, **settings):
    return file(np.asarray(samples, dtype=np.float32), subtype="FLOAT", **settings)


UNHEARD = {
    "text": (b"this is no sound at all, it is a sentence" * 9, "no sound that can be decoded"),
    "a photo": (b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)) * 9, "no sound that can be"),
    "a header cut short": (file(noise(1))[:30], "no sound that can be decoded"),
    "a header alone": (file(noise(1)[:0]), "it holds no samples"),
    "an MP3 of a few bytes": (file(noise(1), kind="MP3")[:60], "no sound that can be decoded"),
    "a FLAC without its sound": (file(noise(9), kind="FLAC")[:2000], "0.0000 seconds of it"),
    "one sample": (wav([0.5]), "0.0001 seconds of it can be heard: too short"),
    "a click": (wav(noise(0.02)), "0.0200 seconds of it can be heard: too short"),
    "silence": (wav(np.zeros(16_000)), "it is silent"),
    "noise that nobody hears": (wav(1e-4 * noise(1)), "it is silent"),
    "no numbers": (wav([0.1] * 900 + [np.nan] + [0.1] * 900), "samples that are no numbers"),
    "infinity": (wav([0.1] * 900 + [np.inf] + [0.1] * 900), "samples that are no numbers"),
    "a rate of 1": (file(noise(1), 1), "its header says 1 samples a second"),
    "a rate of 10 MHz": (file(noise(1), 10_000_000), "its header says 10000000 samples a second"),
    "too many channels": (file(np.tile(noise(0.1)[:, None], 40)), "its header says 40 channels"),
    "another format": (file(noise(1), kind="VOC"), "Creative Labs.*, not one of WAV, FLAC, OGG"),
}


@pytest.mark.parametrize("name", UNHEARD)
def test_what_cannot_be_heard_says_why(name):
    content, reason = UNHEARD[name]
    with pytest.raises(UnreadableError, match=reason):
        heard(content)


def test_what_is_louder_than_full_scale_is_clipped():
    (window,) = heard(wav(5 * tone(100, 1, 16_000)))
    assert np.abs(window).max() == 1.0


@pytest.mark.parametrize(
    ("offset", "whence", "place"),
    [(2, 0, 2), (-1, 0, 0), (1, 1, 4), (-4, 1, 0), (-2, 2, 3), (-9, 2, 0), (7, 0, 7)],
)
def test_a_header_cannot_send_a_reader_to_before_the_start(offset, whence, place):
    content = Content(b"12345")
    content.seek(3)
    assert content.seek(offset, whence) == content.tell() == place


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["WAV", "FLAC", "OGG", "AIFF"]), st.integers(0, 3000), st.binary(max_size=90)
)
def test_a_damaged_file_is_heard_or_refused(kind, place, damage):
    content = bytearray(file(noise(1), kind=kind))
    content[place : place + len(damage)] = damage
    try:
        windows = heard(bytes(content), at_most=2)
    except UnreadableError:
        return
    assert windows.dtype == np.float32
    assert np.abs(windows).max() <= 1


def test_silence_follows_a_short_sound():
    windows = np.ones((1, 5), dtype=np.float32)
    np.testing.assert_array_equal(filled(windows, 8), [[1, 1, 1, 1, 1, 0, 0, 0]])
    assert filled(windows, 3).shape == (1, 5)
