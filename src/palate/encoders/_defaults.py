"""The encoders that a pipeline has when nobody chooses."""

from __future__ import annotations

from palate.encoders._text import TemplateEncoder
from palate.encoders.attributes import Attributes, attribute_columns
from palate.encoders.tfidf import Tfidf
from palate.encoders.use import TextEncoder
from palate.text.template import text_columns
from palate.types import Dataset, Encoder


def default_encoders(data: Dataset, *, text: TemplateEncoder | None = None) -> dict[str, Encoder]:
    """A language model and TF-IDF where items have words, attributes where they have any.

    `text` takes the place of the default language model. Empty where items are ids and no more.
    """
    encoders: dict[str, Encoder] = {}
    if text_columns(data.items):
        encoders["text"] = TextEncoder() if text is None else text
        encoders["words"] = Tfidf()
    if attribute_columns(data.items):
        encoders["attributes"] = Attributes()
    return encoders
