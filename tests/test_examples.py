"""Every example runs by itself and shows what it promises."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SHOWN = {
    "quickstart_tables": (
        "movieId → item_id",
        r"Ranker +0\.\d{4}▲",
        "the loaded model says the same: True",
    ),
    "cold_items": (
        r"ids only: NDCG@10 0\.0[0-2]",
        "new-telescope would go to u",
        "1. new-telescope: nobody has chosen it yet, but it is like “.*”: ",
    ),
    "new_person": (
        "people who chose “hedge bulb 126” went on to choose it",
        r"1\. (telescope|lunar|probe|satellite|astronaut|eclipse|galaxy)\w* .*close to your words",
    ),
    "chinese_catalogue": (
        "读过《三体》：\n" + r"(  《\S+》 科幻：.+\n){4}",
        r"《时间移民》 科幻：还没有人选过，但内容与《三体》相近",
        "想看“飞向宇宙的太空旅行”：\n  《.+》 科幻",
        "想看 “how to cook at home”：\n  《.+》 美食",
    ),
    "own_component": (
        "BuyAgain keeps every promise",
        "after i018, then i027: i027, i018, i",
        "the loaded model says the same: True",
    ),
    "people_features": (
        r"Features\(300 rows; did.text: \d+, said.text: \d+\)",
        r"did.text \+ said.text: [89]\d% right",
    ),
    "report": (r"ranker, ids only +0\.\d{4}", "report.html: .* KiB"),
}


def run(path, *, cwd):
    environment = os.environ | {"PYTHONIOENCODING": "utf-8", "COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_every_example_is_run():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(SHOWN)


@pytest.mark.parametrize("name", SHOWN)
def test_the_example_shows_what_it_promises(name, tmp_path):
    output = run(EXAMPLES / f"{name}.py", cwd=tmp_path)
    for pattern in SHOWN[name]:
        assert re.search(pattern, output), f"{pattern!r} is not in:\n{output}"
    assert not list(tmp_path.iterdir()), "an example leaves the folder as it was"
