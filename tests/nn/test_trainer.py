"""The training loop on networks whose best is known."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from straight_lines import SLOPES, Line

from palate.core.errors import ArtefactError, ConfigError, DivergedError
from palate.nn import checkpoints as kept
from palate.nn.checkpoints import checkpoints
from palate.nn.tracking import track
from palate.nn.trainer import Training, train

torch = pytest.importorskip("torch")

QUICK = Training(epochs=30, learning_rate=0.1, weight_decay=0.0)


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd", "adagrad"])
def test_every_optimizer_finds_the_line(optimizer):
    line = Line()
    rate = 0.5 if optimizer == "adagrad" else 0.1  # its steps shrink as they add up
    settings = Training(epochs=60, learning_rate=rate, optimizer=optimizer, weight_decay=0.0)
    before = line.slopes
    curve = train(line, settings, label="line")
    assert np.abs(line.slopes - SLOPES).max() < 0.2 < np.abs(before - SLOPES).max()
    assert curve[-1].loss < curve[0].loss / 10


def test_rates_rise_and_fall_as_they_should():
    def rates(schedule):
        settings = Training(learning_rate=2.0, schedule=schedule, warm_up=0.2)
        return [settings.rate(done) for done in (0.0, 0.1, 0.2, 0.6, 1.0)]

    np.testing.assert_allclose(rates("constant"), [0.02, 1, 2, 2, 2])
    np.testing.assert_allclose(rates("linear"), [0.02, 1, 2, 1, 0.02])
    np.testing.assert_allclose(rates("cosine"), [0.02, 1, 2, 1, 0.02])
    np.testing.assert_allclose(rates("exponential"), [0.02, 1, 2, 0.2, 0.02])


def test_the_best_state_is_kept_and_training_ends_when_it_gets_no_better():
    class Worsening(Line):
        def judge(self):
            return [0.1, 0.5, 0.4, 0.3, 0.2][len(self.seen) - 1]

    line, states = Worsening(), []

    class Notes:
        def start(self, label, settings):
            return lambda epoch, figures: states.append(line.slopes)

        def stop(self, label):
            pass

    with track(Notes()):
        curve = train(line, Training(epochs=50, patience=3), label="line")
    assert [epoch.judged for epoch in curve] == [0.1, 0.5, 0.4, 0.3, 0.2]
    np.testing.assert_array_equal(line.slopes, states[1])


def test_where_nothing_is_held_out_the_last_state_is_kept():
    line = Line(held=0)
    curve = train(line, Training(epochs=4), label="line")
    assert [epoch.judged for epoch in curve] == [None] * 4


def test_each_epoch_draws_its_own_batches_and_a_seed_draws_them_again():
    first, again, other = Line(), Line(), Line()
    train(first, Training(epochs=3), label="line")
    train(again, Training(epochs=3), label="line")
    train(other, Training(epochs=3, seed=1), label="line")
    assert first.seen == again.seen != other.seen
    assert first.seen[0] != first.seen[1]


def test_training_leaves_chance_and_threads_of_others_alone():
    threads = torch.get_num_threads()
    torch.manual_seed(7)
    wanted = torch.rand(1)
    torch.manual_seed(7)
    line = Line(dropout=0.5)
    torch.manual_seed(7)
    train(line, Training(epochs=1, threads=1), label="line")
    assert torch.rand(1) == wanted
    assert torch.get_num_threads() == threads


def test_a_loss_that_is_no_number_says_where_and_what_to_do(tmp_path):
    class Breaks(Line):
        def loss(self, batch):
            return super().loss(batch) * (float("nan") if len(self.seen) == 3 else 1.0)

    with checkpoints(tmp_path), pytest.raises(DivergedError) as told:
        train(Breaks(), Training(epochs=5), label="line", digest="same")
    assert "step 1 of epoch 3" in str(told.value)
    assert "smaller learning_rate" in str(told.value)
    assert str(tmp_path / "line-1.checkpoint") in str(told.value)
    mended = Line()
    with checkpoints(tmp_path):
        curve = train(mended, Training(epochs=5), label="line", digest="same")
    assert len(curve) == 5
    assert len(mended.seen) == 3  # the first two epochs were kept


def test_a_rate_beyond_measure_promises_no_checkpoint_where_there_is_none():
    with pytest.raises(DivergedError, match="smaller learning_rate") as told:
        train(Line(), Training(epochs=5, learning_rate=1e30), label="line")
    assert "is in" not in str(told.value)
    assert "clip" not in str(told.value)


def test_a_gradient_or_a_judgement_that_is_no_number_is_no_result():
    class Rooted(Line):
        def loss(self, batch):
            zero = self.network[0].bias.sum() * 0
            return super().loss(batch) + torch.sqrt(zero)  # finite, its slope is not

    with pytest.raises(DivergedError, match="the gradient"):
        train(Rooted(), Training(epochs=2), label="line")

    class Lost(Line):
        def judge(self):
            return float("nan")

    with pytest.raises(DivergedError, match="what is held out"):
        train(Lost(), Training(epochs=2), label="line")


def test_no_byte_of_a_checkpoint_may_change(tmp_path):
    settings = Training(epochs=2)
    with checkpoints(tmp_path):
        train(Line(), settings, label="line", digest="one")
    (path,) = tmp_path.glob(f"*{kept.SUFFIX}")
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with checkpoints(tmp_path), pytest.raises(ArtefactError):
            train(Line(), settings, label="line", digest="one")


def test_other_settings_are_another_training(tmp_path):
    with checkpoints(tmp_path):
        train(Line(), Training(epochs=2), label="line", digest="one")
    with checkpoints(tmp_path), pytest.raises(ArtefactError, match="other settings"):
        train(Line(), Training(epochs=2, weight_decay=0.5), label="line", digest="one")


def test_rows_that_are_read_again_and_again_teach_to_the_same_bits():
    """Their gradients add up; with two threads that would be in any order."""

    class Table(Line):
        def __init__(self):
            super().__init__()
            self.network = torch.nn.ParameterDict({"rows": torch.zeros(50, 64)})

        def loss(self, batch):
            wide = self.network["rows"][torch.arange(4000) % 37]
            return ((wide - torch.linspace(0, 1, 4000)[:, None]) ** 3).abs().mean()

        def judge(self):
            return None

    learnt = []
    for _ in range(4):
        table = Table()
        train(table, Training(epochs=3, threads=2), label="table")
        learnt.append(table.network["rows"].detach().numpy().copy())
    for other in learnt[1:]:
        np.testing.assert_array_equal(other, learnt[0])


def test_memory_that_runs_out_names_the_setting():
    class Hungry(Line):
        def loss(self, batch):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")

    with pytest.raises(ConfigError, match="smaller batch_size"):
        train(Hungry(), QUICK, label="line")


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from straight_lines import Line
from palate.nn.checkpoints import checkpoints
from palate.nn.tracking import track
from palate.nn.trainer import Training, train

class Kills:
    def start(self, label, settings):
        def note(epoch, figures):
            if epoch == 5:
                os.kill(os.getpid(), signal.SIGKILL)
        return note
    def stop(self, label): pass

with checkpoints(sys.argv[2]), track(Kills()):
    settings = Training(epochs=8, learning_rate=0.05, threads=1)
    train(Line(dropout=0.2), settings, label="line", digest="same")
"""


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path):
    settings = Training(epochs=8, learning_rate=0.05, threads=1)
    whole = Line(dropout=0.2)
    train(whole, settings, label="line")
    helpers = Path(__file__).parents[1] / "helpers"
    command = [sys.executable, "-c", KILLED, str(helpers), str(tmp_path)]
    ended = subprocess.run(command, env=os.environ, capture_output=True, timeout=120, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    again = Line(dropout=0.2)
    with checkpoints(tmp_path):
        train(again, settings, label="line", digest="same")
    assert len(again.seen) == 4  # of eight epochs: the fifth was not kept when it was killed
    np.testing.assert_array_equal(again.slopes, whole.slopes)


def test_what_was_finished_is_not_done_again(tmp_path):
    first, again = Line(), Line()
    for line in (first, again):
        with checkpoints(tmp_path):
            train(line, QUICK, label="line", digest="same")
    assert not again.seen
    np.testing.assert_array_equal(again.slopes, first.slopes)


@pytest.mark.parametrize("damage", ["other", "cut", "flipped", "empty", "text"])
def test_a_checkpoint_that_cannot_be_used_says_so_in_a_sentence(tmp_path, damage):
    settings = Training(epochs=2)
    with checkpoints(tmp_path):
        train(Line(), settings, label="line", digest="one")
    (path,) = tmp_path.glob(f"*{kept.SUFFIX}")
    whole = path.read_bytes()
    changed = {
        "cut": whole[: len(whole) // 2],
        "flipped": whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:],
        "empty": b"",
        "text": b"a letter",
    }
    path.write_bytes(changed.get(damage, whole))
    digest = "another" if damage == "other" else "one"
    with checkpoints(tmp_path), pytest.raises(ArtefactError, match="delete it") as told:
        train(Line(), settings, label="line", digest=digest)
    assert path.name in str(told.value)
    assert "\n" not in str(told.value)


def test_trainings_of_one_name_have_a_file_each(tmp_path):
    with checkpoints(tmp_path):
        for seed in (0, 1):
            train(Line(seed=seed), Training(epochs=1), label="the line", digest=str(seed))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "the-line-1.checkpoint",
        "the-line-2.checkpoint",
    ]
