"""People's side of a pipeline file and of the command line."""

import json

import pytest

import palate

FILE = """
[data]
interactions = "events.parquet"
items = "items.parquet"
users = "users.parquet"
[encoders.words]
type = "tfidf"
[users.profile]
type = "attributes"
[users.about]
type = "tfidf"
template = "{about}"
[recommender]
type = "ranker"
n_estimators = 20
n_train_queries = 800
"""


@pytest.fixture(scope="module")
def shop(clubs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    clubs.interactions.write_parquet(folder / "events.parquet")
    clubs.items.write_parquet(folder / "items.parquet")
    clubs.users.write_parquet(folder / "users.parquet")
    (folder / "shop.toml").write_text(FILE)
    return folder


def test_check_says_what_is_read_of_people(shop, command):
    done = command("check", shop / "shop.toml")
    assert done.code == 0
    assert "users profile: attributes" in done.out
    assert "reads age, occupation" in done.out
    assert 'reads "{about}"' in done.out


def test_from_a_file_to_the_lists_of_strangers(shop, command):
    assert command("fit", shop / "shop.toml", "--out", shop / "model").code == 0
    said = ["--profile", "age=21", "--profile", "occupation=student"]
    done = command("recommend", shop / "model", *said, "-k", 5, "--json", shop / "list.json")
    assert done.code == 0
    lines = json.loads((shop / "list.json").read_text())
    assert "people with a similar profile chose it" in [line["reasons"] for line in lines]
    found = [line["item_id"] for line in lines]
    model = palate.load(shop / "model")
    wanted = model.recommend(profile={"age": 21, "occupation": "student"}, k=5).table["item_id"]
    assert found == wanted.to_list()
    as_json = ["--profile", json.dumps({"age": 21, "occupation": "student"})]
    assert command("recommend", shop / "model", *as_json, "-k", 5).out == done.out
    known = ["--user", "person-1", "--profile", "occupation=pilot", "--profile", "age=60"]
    done = command("recommend", shop / "model", *known, "--json", shop / "list.json")
    assert done.code == 0
    found = [line["item_id"] for line in json.loads((shop / "list.json").read_text())]
    said = model.recommend(["person-1"], profile={"occupation": "pilot", "age": 60}).table
    assert found == said["item_id"].to_list()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (["age"], "write COLUMN=VALUE"),
        (["=21"], "write COLUMN=VALUE"),
        (["age=21", "age=22"], "says 'age' twice"),
        (["{age: 21}"], "is no JSON"),
        (["agee=21"], "Did you mean 'age'"),
        (["age=old"], "is not a number"),
    ],
)
def test_profiles_of_a_command_that_cannot_be_read(shop, command, said, message):
    if not (shop / "model").exists():
        command("fit", shop / "shop.toml", "--out", shop / "model")
    options = [word for value in said for word in ("--profile", value)]
    done = command("recommend", shop / "model", *options)
    assert done.code == 1
    assert message in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('type = "attributes"', 'type = "attribute"'), "[users.profile]"),
        (("{about}", "{abuot}"), "Did you mean 'about'"),
        (('[users.about]\ntype = "tfidf"', '[users.about]\ntype = "behavior"'), "[users.about]"),
        (("[users.profile]", "[user.profile]"), "Did you mean 'users'"),
    ],
)
def test_mistakes_are_named_by_their_table(shop, command, change, message):
    (shop / "wrong.toml").write_text(FILE.replace(*change))
    done = command("check", shop / "wrong.toml")
    assert done.code == 1
    assert message in done.err


def test_an_empty_table_of_encoders_means_none(shop, command):
    left = FILE[: FILE.index("[users.profile]")] + "[users]\n" + FILE[FILE.index("[recommender]") :]
    (shop / "none.toml").write_text(left)
    done = command("check", shop / "none.toml")
    assert "users: what they did counts, and no more" in done.out


def test_a_table_that_no_recommender_reads_is_told(shop, command):
    covisit = '[recommender]\ntype = "covisit"\n'
    (shop / "deaf.toml").write_text(FILE[: FILE.index("[recommender]")] + covisit)
    done = command("check", shop / "deaf.toml")
    assert done.code == 0, done.err
    assert "'covisit' does not read the table of users, so encoders of users change no" in done.out
    (shop / "deaf.toml").write_text(FILE[: FILE.index("[users.profile]")] + covisit)
    done = command("check", shop / "deaf.toml")
    assert "changes no list: what they did counts, and no more; 'ranker', 'user_knn'" in done.out
    assert "or leave the table out ([data] users)" in done.out


def test_a_column_that_was_read_under_our_name_is_told(shop, command):
    theirs = FILE.replace("[users.profile]", 'template = "{标题}"\n[users.profile]')
    (shop / "theirs.toml").write_text(theirs)
    done = command("check", shop / "theirs.toml")
    assert (done.code, "It was read as 'title': write that." in done.err) == (1, True)


def test_slips_in_a_profile_are_told(tmp_path, command, clubs):
    users = {"facts": palate.Attributes(columns=["age"])}
    model = palate.Pipeline(encoders={}, users=users, recommender=palate.UserKNN()).fit(clubs)
    model.save(tmp_path / "model")
    done = command("recommend", tmp_path / "model", "--profile", "AGE=31")
    assert (done.code, "Did you mean 'age'?" in done.err) == (1, True)
    done = command("recommend", tmp_path / "model", "--user", "nobody", "--profile", "age=31")
    said = "unknown people: 'nobody'; for somebody new give a history of item ids, a text or a "
    assert (done.code, f"{said}profile, in place of --user" in done.err) == (1, True)
