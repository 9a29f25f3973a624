"""The command where the system speaks ASCII alone, and Python has been told to follow it."""

import os
import subprocess
import sys

import pytest

ASCII = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ENTRY = "import sys\nfrom palate.cli.entry import main\nif __name__ == '__main__':\n    main()\n"
PIPELINE = """
[data]
interactions = "文件.csv"
items = "商品.csv"
[split]
type = "leave_last_out"
[encoders]
[recommender]
type = "popular"
"""


@pytest.fixture
def palate(tmp_path):
    """`palate("check", "文件.toml")` runs the command as its script does, with bytes in and out."""
    script = tmp_path / "palate"
    script.write_text(ENTRY)
    events = "".join(f"用户{u},茶{(u * k) % 7}\n" for u in range(6) for k in (1, 2, 3))
    (tmp_path / "文件.csv").write_text(f"user_id,item_id\n{events}", "utf-8")
    titles = "".join(f"茶{row},绿茶{row}\n" for row in range(7))
    (tmp_path / "商品.csv").write_text(f"item_id,title\n{titles}", "utf-8")
    (tmp_path / "管道.toml").write_text(PIPELINE, "utf-8")

    def palate(*words, begun=(script,), **environment):
        return subprocess.run(
            [sys.executable, *begun, *words],
            cwd=tmp_path,
            capture_output=True,
            env=os.environ | ASCII | environment,
            check=False,
        )

    return palate


def test_chinese_names_of_files_and_people_are_read_and_written(palate, tmp_path):
    fitted = palate("fit", "管道.toml", "--out", "模型")
    assert fitted.returncode == 0, fitted.stderr.decode()
    assert (tmp_path / "模型" / "manifest.json").is_file()
    shown = palate("recommend", "模型", "--user", "用户1")
    assert shown.returncode == 0, shown.stderr.decode()
    assert "绿茶" in shown.stdout.decode()


def test_python_runs_the_package_as_the_command(palate):
    done = palate("check", "管道.toml", begun=("-m", "palate"))
    assert done.returncode == 0, done.stderr.decode()
    assert "管道.toml is fine" in done.stdout.decode()
    assert done.stdout == palate("check", "管道.toml").stdout


def test_what_is_missing_is_named_as_it_was_typed(palate):
    done = palate("check", "没有.toml")
    assert done.returncode == 1
    assert "there is no pipeline file 没有.toml" in done.stderr.decode()


def test_bytes_that_are_no_text_are_answered_in_a_line(palate):
    done = palate("check", b"\xff\xfe.toml")
    assert done.returncode == 1
    assert done.stderr.decode().startswith("error: there is no pipeline file ")
    assert "Traceback" not in done.stderr.decode()


def test_whoever_asks_for_utf8_is_left_alone(palate):
    assert palate("--version", PYTHONUTF8="1").returncode == 0
