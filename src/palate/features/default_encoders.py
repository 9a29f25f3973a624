"""The encoders that a pipeline has when nobody chooses."""

from __future__ import annotations

import difflib
import warnings

import polars as pl

from palate.core.columns import ITEM, TEXT
from palate.core.dataset import Dataset
from palate.core.errors import ConfigError, DataError, did_you_mean
from palate.core.optional import is_installed
from palate.core.types import Encoder
from palate.core.visible import visible
from palate.features.encoders.attributes import Attributes
from palate.features.encoders.columns.plans import is_attribute
from palate.features.encoders.muse import NEEDED, TextEncoder
from palate.features.encoders.reviews import Reviews
from palate.features.encoders.tfidf import Tfidf
from palate.features.encoders.transformer import Transformer
from palate.features.template_encoder import TemplateEncoder
from palate.nn.hub.find import E5, GEMMA, MINILM, PACKAGE, find_model
from palate.text.profile import is_title_name
from palate.text.template import default_template, text_columns

USE = "muse"
FEWEST_WRITERS = 50
"""People who wrote something, from which on what people wrote is read by default."""


def default_encoders(data: Dataset, *, text: TemplateEncoder | None = None) -> dict[str, Encoder]:
    """A language model and TF-IDF where items have words, attributes where they have any.

    `text` takes the place of the default language model. Empty where items are ids and no more.
    TF-IDF steps aside, with a warning, where the texts are signs and no words.
    """
    encoders: dict[str, Encoder] = {}
    if _has_text(data):
        encoders["text"] = TextEncoder() if text is None else text
        try:
            Tfidf().check_words(data)
        except DataError as error:
            said = visible(f"the default encoder 'words' (tfidf) steps aside: {error}")
            warnings.warn(said, RuntimeWarning, stacklevel=3)
        else:
            encoders["words"] = Tfidf()
    if _has_attributes(data):
        encoders["attributes"] = Attributes()
    return encoders


def default_user_encoders(people: Dataset) -> dict[str, Encoder]:
    """What suits people, given in the place of the items: attributes, texts, what they wrote.

    Columns of few different values are attributes and no texts; names say nothing of a taste. What
    they wrote at their events is read where at least 50 of them wrote. Language models are left out
    where they are not installed: nobody asked for them here.
    """
    encoders: dict[str, Encoder] = {}
    told = [
        name
        for name in text_columns(people.items)
        if not is_title_name(name)
        and (people.items[name].dtype.is_nested() or not is_attribute(people.items[name]))
    ]
    if _has_attributes(people):
        encoders["attributes"] = Attributes()
    if told:
        template = ". ".join(f"{{{name}}}" for name in told)
        if is_installed(*NEEDED.modules):
            encoders["text"] = TextEncoder(template=template)
        encoders["words"] = Tfidf(template=template)
        try:
            Tfidf(template=template).check_words(people)
        except DataError:
            del encoders["words"]
    if _writers(people) >= FEWEST_WRITERS and is_installed(*NEEDED.modules):
        encoders["reviews"] = Reviews()
    return encoders


def _writers(people: Dataset) -> int:
    """How many people wrote something at an event."""
    events = people.interactions
    if TEXT not in events.columns:
        return 0
    said = pl.col(TEXT).fill_null("").str.strip_chars() != ""
    return events.filter(said)[ITEM].n_unique()


def _has_text(data: Dataset) -> bool:
    try:
        default_template(data.items)
    except DataError:
        return False
    return True


def _has_attributes(data: Dataset) -> bool:
    try:
        Attributes().fit(data)
    except DataError:
        return False
    return True


def best_text_encoder(
    name: str | None = None, template: str | None = None
) -> tuple[TemplateEncoder, str]:
    """An encoder and what to call it: MiniLM where torch and its weights are, else the light one.

    `name` decides instead: "muse", "minilm", or any model that `Transformer` takes. Raises
    `ConfigError` for a name that is nearly a packaged one's, and of no model on this machine.
    """
    if name is None:
        name = MINILM if is_installed(*PACKAGE.modules) else USE
    if name == USE:
        return TextEncoder(template=template), "Universal Sentence Encoder, multilingual (muse)"
    _check_spelling(name)
    said = "all-MiniLM-L6-v2 (minilm)" if name == MINILM else name
    return Transformer(model=name, template=template), said


def _check_spelling(name: str) -> None:
    known = (USE, MINILM, E5, GEMMA)
    if name in known or not difflib.get_close_matches(name.lower(), known):
        return
    if find_model(name) is None:
        raise ConfigError(f"no text encoder is called {name!r}.{did_you_mean(name.lower(), known)}")
