"""The encoders that a pipeline has when nobody chooses."""

from __future__ import annotations

import warnings

from palate._visible import visible
from palate.encoders._text import TemplateEncoder
from palate.encoders.attributes import Attributes
from palate.encoders.tfidf import Tfidf
from palate.encoders.use import TextEncoder
from palate.errors import DataError
from palate.text.template import default_template
from palate.types import Dataset, Encoder


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
