"""What encoders that load a model hold: settings, what was learnt, and the model for a while."""

from __future__ import annotations

from dataclasses import fields
from typing import Any


class LoadsItself:
    """A dataclass whose other attributes are made of its settings, when they are needed.

    Copies make them anew, and so does whoever gets another setting: else what the old one gave
    would go into the cache of vectors under the name of the new one.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        entries = fields(self)  # type: ignore[arg-type]
        if name in vars(self) and any(entry.name == name and entry.init for entry in entries):
            for other in vars(self).keys() - self.__getstate__().keys():
                del vars(self)[other]
        super().__setattr__(name, value)

    def __getstate__(self) -> dict[str, Any]:
        """Settings and what was learnt: a copy loads its model itself, when it needs it."""
        names = [entry.name for entry in fields(self)]  # type: ignore[arg-type]
        return {name: value for name, value in vars(self).items() if name in names}
