"""Every column name of palate's tables, once."""

from typing import Final

USER: Final = "user_id"
ITEM: Final = "item_id"
TIME: Final = "timestamp"
EVENT: Final = "event"
VALUE: Final = "value"
TEXT: Final = "text"
WEIGHT: Final = "weight"

SCORE: Final = "score"
RANK: Final = "rank"
REASONS: Final = "reasons"
SIMILAR: Final = "similar_id"

TITLE: Final = "title"
