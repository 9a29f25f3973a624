"""scikit-learn's habits for components: `get_params`, `set_params`, `sklearn.base.clone`."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Self

from palate.core.errors import ConfigError, did_you_mean


class Parameters:
    """What a keyword-only dataclass of settings can be asked as scikit-learn asks its estimators.

    Settings of components inside go by "setting__inner", those in a table or a list by its key or
    place: "encoders__words__min_df", "representation__0__shrinkage".
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Setting → value; with `deep`, the settings of components inside too."""
        found = dict(_settings(self))
        return params_inside(found) if deep else found

    def set_params(self, **params: Any) -> Self:
        """Sets settings by the names that `get_params` gives; nothing where one is refused.

        What was learnt stays, and is of the old settings, until the next fit. Raises `ConfigError`
        for a name that is no setting, and for a value that a setting cannot have.
        """
        changed = _with(self, params)
        for name, value in _settings(changed):
            if value is not getattr(self, name):
                setattr(self, name, value)
        return self

    def __sklearn_clone__(self) -> Self:
        copied: Self = _unfitted(self)
        return copied


def params_inside(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by name, and below them those of the components in them."""
    found = dict(settings)
    for name, value in settings.items():
        for path, inner in _inside(name, value):
            found[path] = inner
            params = inner.get_params(deep=True)
            found |= {f"{path}__{key}": part for key, part in params.items()}
    return found


def changed_inside(
    settings: Mapping[str, Any], params: Mapping[str, Any], who: str
) -> dict[str, Any]:
    """Settings, some of them others, or with components inside of other settings.

    What was given stays as it was. Raises `ConfigError`, which says `who` has no such setting.
    """
    found, known = dict(settings), params_inside(settings)
    inner: dict[str, dict[str, Any]] = {}
    for name, value in params.items():
        if name not in known:
            raise ConfigError(f"{who} has no setting {name!r}.{did_you_mean(name, known)}")
        if name in settings:
            found[name] = value
        else:
            inner.setdefault(name.partition("__")[0], {})[name] = value
    for name, parts in inner.items():
        found[name] = _changed(found[name], name, parts)
    return found


def _settings(component: Any) -> Iterator[tuple[str, Any]]:
    for entry in fields(component):
        if entry.init:
            yield entry.name, getattr(component, entry.name)


def _inside(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """("setting__key", component) of the components in a setting."""
    if _is_component(value):
        yield path, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _inside(f"{path}__{key}", part)
    elif isinstance(value, list | tuple):
        for place, part in enumerate(value):
            yield from _inside(f"{path}__{place}", part)


def _is_component(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type) and hasattr(value, "get_params")


def _with(component: Any, params: Mapping[str, Any]) -> Any:
    """A new component, unfitted, whose settings are those of another but for `params`."""
    who = type(component)
    return who(**changed_inside(dict(_settings(component)), params, who.__name__))


def _changed(value: Any, path: str, params: Mapping[str, Any]) -> Any:
    """A setting with other components inside, or with components of other settings."""
    if path in params:
        value = params[path]
    below = {name: part for name, part in params.items() if name.startswith(f"{path}__")}
    if not below:
        return value
    if _is_component(value):
        return _with(value, {name[len(path) + 2 :]: part for name, part in below.items()})
    if isinstance(value, Mapping):
        return {key: _changed(part, f"{path}__{key}", below) for key, part in value.items()}
    return [_changed(part, f"{path}__{place}", below) for place, part in enumerate(value)]


def _unfitted(value: Any) -> Any:
    """A copy of settings, with unfitted copies of the components inside."""
    if _is_component(value):
        return type(value)(**{name: _unfitted(part) for name, part in _settings(value)})
    if isinstance(value, Mapping):
        return {key: _unfitted(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_unfitted(part) for part in value]
    return copy.deepcopy(value)
