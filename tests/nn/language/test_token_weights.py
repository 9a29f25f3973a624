import numpy as np
import polars as pl
import pytest

from palate.core.dataset import Dataset
from palate.core.errors import DataError, NotFittedError
from palate.core.histories import histories_of
from palate.features.encoders.transformer import Transformer
from palate.nn.language.inference import TokenVectors
from palate.nn.language.token_weights import Neighbours, learn_attention

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

TOPICS, NOISE, DIM = 6, 40, 24


def shelf(*, telling, items=120, seed=3):
    """Items of one word that says the topic and four that say nothing, and people by topic."""
    rng = np.random.default_rng(seed)
    mark = rng.normal(size=DIM)
    topics = rng.normal(size=(TOPICS, DIM)) + mark * telling
    noise = rng.normal(size=(NOISE, DIM)) * 1.3
    topic = np.arange(items) % TOPICS
    words = np.concatenate([topics[topic][:, None], noise[rng.integers(0, NOISE, (items, 4))]], 1)
    states = TokenVectors(
        starts=np.arange(0, 5 * items + 1, 5),
        vectors=words.reshape(-1, DIM).astype(np.float32),
        tokens=["?"] * (5 * items),
    )
    users = np.repeat(np.arange(200), 6)
    taste = rng.integers(0, TOPICS, 200)
    touched = rng.integers(0, items // TOPICS, 1200) * TOPICS + taste[users]
    return states, touched, users


def weights_of(states, vector):
    scores = (states.vectors @ vector).reshape(-1, 5)
    grown = np.exp(scores - scores.max(axis=1, keepdims=True))
    return grown / grown.sum(axis=1, keepdims=True)


def near_of(touched, users):
    pairs = np.stack([touched[:-1], touched[1:]], axis=1)
    kept = (users[1:] == users[:-1]) & (pairs[:, 0] != pairs[:, 1])
    return Neighbours(pairs[kept], users[1:][kept])


def test_words_that_say_what_goes_together_get_the_weight():
    states, touched, users = shelf(telling=1.0)
    found = learn_attention(states, near_of(touched, users))
    assert weights_of(states, found)[:, 0].mean() > 0.4  # evenly spread it is 0.2
    again = learn_attention(states, near_of(touched, users))
    np.testing.assert_array_equal(found, again)


def test_where_words_say_nothing_it_stays_the_mean():
    states, touched, users = shelf(telling=1.0)
    rng = np.random.default_rng(1)
    states.vectors[:] = rng.normal(size=states.vectors.shape)
    found = learn_attention(states, near_of(rng.permutation(touched), users))
    np.testing.assert_allclose(weights_of(states, found), 0.2, atol=0.05)


def test_too_few_people_to_judge_by_leave_the_mean():
    states, _, _ = shelf(telling=1.0)
    near = Neighbours(np.array([[0, 6], [6, 12]]), np.array([0, 1]))
    assert not learn_attention(states, near).any()


def test_neighbours_are_of_one_person_of_usable_items_and_of_two():
    events = pl.DataFrame(
        {
            "user_id": ["a"] * 5 + ["b"] * 2,
            "item_id": ["x", "x", "y", "blank", "z", "z", "x"],
            "timestamp": [1.0, 2, 3, 4, 5, 6, 7],
        }
    )
    items = pl.DataFrame({"item_id": ["x", "y", "z", "blank"]})
    histories = histories_of(Dataset(interactions=events, items=items))
    near = Neighbours.of(histories, np.array([True, True, True, False]))
    assert near.pairs.tolist() == [[0, 1], [2, 0]]
    assert near.users.tolist() == [0, 1]
    assert sorted(near.met().tolist()) == [0, 1, 2]
    some = near.among([2, 0])
    assert some.pairs.tolist() == [[0, 1]]


def shop(texts, histories):
    ids = [f"i{row}" for row in range(len(texts))]
    events = [
        {"user_id": f"u{user}", "item_id": ids[row], "timestamp": float(time)}
        for user, rows in enumerate(histories)
        for time, row in enumerate(rows)
    ]
    return Dataset(
        interactions=pl.DataFrame(events), items=pl.DataFrame({"item_id": ids, "title": texts})
    )


def taught(folder, data, **settings):
    settings = {
        "model": str(folder),
        "template": "{title}",
        "layer": 0,
        "dtype": "float32",
    } | settings
    return Transformer(**{"pooling": "attention", "backend": "torch"} | settings).fit(data)


def by_topic():
    """Every title has one of three words that people stay with, among others."""
    rng = np.random.default_rng(0)
    topics, others = ["tea", "bike", "jazz"], ["green", "old", "cheap"]
    texts = [
        " ".join(rng.permutation([topics[row % 3], *rng.choice(others, 9)])) for row in range(60)
    ]
    histories = [rng.integers(0, 20, 8) * 3 + user % 3 for user in range(900)]
    return shop(texts, histories)


@pytest.mark.parametrize("backend", ["torch", "openvino", "onnx"])
def test_a_text_is_the_mean_of_its_states_by_what_was_learnt(backend, folders):
    pytest.importorskip({"onnx": "onnxruntime"}.get(backend, backend))
    data = by_topic()
    encoder = taught(folders("bert")[0], data, backend=backend)
    text = "old tea cheap"
    _, states = encoder.encode_tokens([text])[0]
    weights = np.exp(states @ encoder.attention_)
    wanted = (states * (weights / weights.sum())[:, None]).sum(axis=0)
    wanted /= np.linalg.norm(wanted)
    np.testing.assert_allclose(encoder.encode_texts([text])[0], wanted, atol=2e-4)
    assert np.ptp(weights / weights.sum()) > 0.1


def test_what_people_stay_with_stands_out_in_the_vectors(folders):
    data = by_topic()
    folder, _ = folders("bert")

    def apart(encoder):
        vectors = encoder.encode(data).parts["transformer"]
        alike = (vectors - vectors.mean(0)) @ (vectors - vectors.mean(0)).T
        topic = np.arange(60) % 3
        return alike[topic[:, None] == topic].mean() - alike[topic[:, None] != topic].mean()

    mean = taught(folder, data, pooling="mean")
    assert apart(taught(folder, data)) > 1.3 * apart(mean)


def test_it_is_learnt_from_behaviour_and_says_so(folders):
    data = by_topic()
    folder, _ = folders("bert")
    unfitted = Transformer(model=str(folder), pooling="attention")
    with pytest.raises(NotFittedError):
        unfitted.encode_texts(["tea"])
    encoder = taught(folder, data)
    assert encoder.encode(data).behavioural == {"transformer"}
    assert taught(folder, data, pooling="mean").encode(data).behavioural == set()
    blocks = taught(folder, data, template=None, columns=["title"], pooling=["mean", "attention"])
    assert blocks.encode(data).behavioural == {"title"}
    assert blocks.encode(data).parts["title"].shape == (60, 32)
    fewer = Dataset(interactions=data.interactions.head(4000), items=data.items)
    assert taught(folder, fewer).fingerprint != encoder.fingerprint


def test_nobody_with_two_items_is_told(folders):
    data = shop(["tea", "bike", " "], [[0], [1, 2]])
    with pytest.raises(DataError, match="nobody has two items with texts"):
        taught(folders("bert")[0], data)


def test_only_as_many_states_as_fit_are_held(folders, monkeypatch):
    from palate.nn.language import token_weights

    asked = []
    real = token_weights.learn_attention
    monkeypatch.setattr(token_weights, "MOST_TOKENS", 200)
    monkeypatch.setattr(
        token_weights,
        "learn_attention",
        lambda states, near: asked.append((states, near)) or real(states, near),
    )
    taught(folders("bert")[0], by_topic())
    ((states, near),) = asked
    assert 100 < len(states.tokens) <= 200
    assert len(near.pairs) > 0
    assert near.pairs.max() < len(states)


@pytest.mark.filterwarnings("ignore:.*found no weights that surely help")
def test_a_text_that_is_too_long_by_itself_leaves_the_mean(folders, monkeypatch):
    from palate.nn.language import token_weights

    monkeypatch.setattr(token_weights, "MOST_TOKENS", 3)
    encoder = taught(folders("bert")[0], by_topic())
    assert encoder.attention_.shape == (16,)
    assert not encoder.attention_.any()
    assert encoder.encode_texts(["tea"]).any()


def test_where_nothing_was_gained_it_says_so(folders):
    rng = np.random.default_rng(2)
    data = by_topic()
    chance = data.interactions.with_columns(
        pl.Series("item_id", rng.permutation(data.interactions["item_id"].to_numpy()))
    )
    with pytest.warns(RuntimeWarning, match='"mean" gives the same'):
        encoder = taught(folders("bert")[0], Dataset(interactions=chance, items=data.items))
    assert not encoder.attention_.any()
