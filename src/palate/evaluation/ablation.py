"""What each block is worth: the pipeline is fitted without it, on the same split."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from palate.core import registry
from palate.core.dataset import Dataset
from palate.core.doors import door
from palate.core.errors import ConfigError, did_you_mean
from palate.core.features import Features
from palate.core.html import page_table
from palate.core.progress import task
from palate.core.settings import without_blocks
from palate.core.split import Split
from palate.core.visible import counted, shorten
from palate.evaluation.compare import Comparison, Ranked, compare, unless_refused
from palate.evaluation.metrics.ranking import metric_names
from palate.evaluation.results import Refused, number
from palate.evaluation.significance import Interval
from palate.evaluation.table import SHOWN_SLICES, metric_label, plain_text, shown_metrics
from palate.features.default_encoders import default_encoders
from palate.features.fusion.concat import Concat
from palate.pipeline.features import learns
from palate.pipeline.pipeline import Pipeline
from palate.pipeline.user_features import reads_users, user_encoders

if TYPE_CHECKING:
    from palate.pipeline.config import Config


__all__ = ["Ablation", "ablate"]

WHOLE = "everything"
_SLICES = SHOWN_SLICES[:3]  # all, new items, long tail
_HELPS, _HURTS = "▲", "▼"
_NAME_WIDTH = 16
_MIN_WIDTH, _MAX_WIDTH = len("+0.1234▲"), len("+.123 …+.123")


@dataclass(frozen=True, eq=False)
class Ablation:
    """What the whole pipeline scores above the same one without a block, or a family of blocks.

    `comparison` holds the measured rows: "everything", and one for each of `drops`; `needed` says
    what could not be left out, and why.
    """

    comparison: Comparison
    drops: Sequence[Drop]
    needed: Mapping[str, str]

    def worth(self, name: str, metric: str, within: str = "all") -> Interval:
        """The mean that is lost without `name`, with its interval over people."""
        known = {drop.name: drop for drop in self.drops}
        if name not in known:
            raise ConfigError(f"nothing was left out as {name!r}.{did_you_mean(name, known)}")
        gap = self.comparison.cell(_row(known[name]), metric, within).difference
        assert gap is not None
        return Interval(mean=-gap.mean, low=-gap.high, high=-gap.low, p=gap.p)

    def render(self) -> RenderableType:
        """The table for a terminal: what each block adds to NDCG and recall, interval below.

        A narrow terminal shows fewer metrics, then fewer slices, and says so.
        """
        return _Fitting(self)

    def _table(self, width: int) -> Table:
        """The columns that fit so many characters; the first one always stands."""
        metrics, slices = shown_metrics(self.comparison), self.comparison.slices
        parts = [part for part in _SLICES if part == "all" or slices[part].requests]
        longest = max(len(name) for name in (WHOLE, *(drop.name for drop in self.drops)))
        name_width = min(longest, _NAME_WIDTH)
        room = max(1, (width - name_width - 2) // (_MIN_WIDTH + 1))
        kept = metrics if len(parts) * len(metrics) <= room else metrics[:1]
        shown = [(part, metric) for part in parts[:room] for metric in kept]
        hidden = [metric_label(metric) for metric in metrics if metric not in kept]
        hidden += [slices[part].label for part in parts[room:]]
        table = Table(
            box=box.SIMPLE_HEAD,
            show_footer=True,
            footer_style="dim",
            padding=0,
            caption=Text(self._legend(hidden), style="table.caption"),
            caption_justify="left",
        )
        if longest + 2 + len(shown) * (_MAX_WIDTH + 1) <= width:
            name_width = longest
        share = (width - name_width - 2) // len(shown) - 1
        column: Any = {"overflow": "fold", "width": max(_MIN_WIDTH, min(share, _MAX_WIDTH))}
        table.add_column("worth of", WHOLE, overflow="fold", width=name_width)
        for part, metric in shown:
            level = self.comparison.cell(WHOLE, metric, part).interval.mean
            footer = "–" if number(level) is None else f"{level:.4f}"
            heading = self._heading(part, metric)
            table.add_column(heading, footer, **column)
        for drop in self.drops:
            cells = [_worth_text(self.worth(drop.name, metric, part)) for part, metric in shown]
            table.add_row(Text(shorten(drop.name)), *cells)
        return table

    def _heading(self, part: str, metric: str) -> str:
        label = "" if part == "all" else self.comparison.slices[part].label
        first, _, last = label.rpartition(" ")
        name, _, k = metric_label(metric).partition("@")
        return "\n".join(filter(None, [first, last, name, f"@{k}"]))

    def _legend(self, hidden: Sequence[str]) -> str:
        facts = self.comparison
        total = facts.slices["all"]
        sizes = [
            f"{facts.slices[part].label} {facts.slices[part].requests:,}" for part in _SLICES[1:]
        ]
        return "\n".join(
            [
                f"{counted(total.requests, 'request')} of {counted(total.users, 'person')} among "
                f"all {counted(facts.n_items, 'item')}; {', '.join(sizes)}.",
                "What is lost without it, fitted anew; below, the 95% interval of the paired "
                "bootstrap over people.",
                f"{_HELPS} it helps, {_HURTS} it is better left out: the interval excludes 0.",
                "Last line: what the whole pipeline scores.",
                *([f"In a wider terminal: {', '.join(hidden)}."] if hidden else []),
                *(f"Not without {shorten(name)}: {why}" for name, why in self.needed.items()),
            ]
        )

    def __str__(self) -> str:
        return plain_text(self.render())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        metrics = shown_metrics(self.comparison)
        rows = []
        for drop in self.drops:
            worth = [self.worth(drop.name, metric) for metric in metrics]
            rows.append([drop.name, *(_worth_text(one).plain.replace("\n", " ") for one in worth)])
        head = ["worth of", *map(metric_label, metrics)]
        return page_table("What is lost without", head, rows, note=self._legend([]))

    def to_json(self) -> dict[str, Any]:
        """What each block is worth on every slice, and the figures behind it, as JSON types."""
        slices, metrics = self.comparison.slices, self.comparison.metrics
        return {
            "worth": [
                {
                    "name": drop.name,
                    "encoders": list(drop.encoders),
                    "slices": {
                        part: {
                            metric: _json_interval(self.worth(drop.name, metric, part))
                            for metric in metrics
                        }
                        for part in slices
                    },
                }
                for drop in self.drops
            ],
            "needed": dict(self.needed),
            "comparison": self.comparison.to_json(),
        }


@door()
def ablate(
    pipeline: Pipeline | Config,
    split: Split,
    *,
    ks: Sequence[int] = (10,),
    metrics: Sequence[str] = ("ndcg", "recall"),
    resamples: int = 1000,
    seed: int = 0,
) -> Ablation:
    """What each encoder of a pipeline is worth, of items and of people, and families of them.

    Families: all that read text, all behaviour, all that is known of people (of whom blocks are
    called "users.NAME").

    The pipeline, or that of a pipeline file, is fitted on `split.train` as it is, and once without
    each; what pretrained encoders read is in the cache after the first fit. "all behaviour" also
    turns off what the ranker learns from events by itself, and takes `concat` for a fusion that
    learns from them. What the rest cannot be fitted without
    is in `needed`. Raises `ConfigError` where nothing can be left out.
    """
    if not (isinstance(pipeline, Pipeline) or callable(getattr(pipeline, "pipeline", None))):
        shown = reprlib.repr(pipeline)
        raise ConfigError(f"ablate takes a pipeline apart, or a pipeline file, not {shown}")
    metric_names(metrics, ks)  # before anything is fitted
    whole = pipeline if isinstance(pipeline, Pipeline) else pipeline.pipeline()
    chosen = default_encoders(split.train) if whole.encoders is None else whole.encoders
    people = dict(user_encoders(whole, split.train))
    whole = replace(whole, encoders=dict(chosen), users=people)
    fitted = whole.fit(split.train)
    tried, failed = [], {}
    wanted = drops_of(fitted)
    with task("fit without each block", len(wanted) + 1, "fits") as done:
        ranked = {WHOLE: Ranked.of(fitted, split, max(ks), WHOLE)}
        done(1)
        for drop in wanted:
            lists = unless_refused(partial(_ranked_without, drop, whole, split, max(ks)))
            if isinstance(lists, Refused):
                failed[drop.name] = lists.reason
            else:
                ranked[_row(drop)] = lists
                tried.append(drop)
            done(1)
    if not tried:
        reasons = "".join(f"; without {name}: {why}" for name, why in failed.items())
        raise ConfigError(f"nothing can be left out of this pipeline{reasons or ': no encoder'}")
    comparison = compare(
        ranked,
        split,
        reference=WHOLE,
        ks=ks,
        metrics=metrics,
        beyond=False,
        resamples=resamples,
        seed=seed,
    )
    return Ablation(comparison, tried, failed)


@dataclass(frozen=True)
class _Fitting:
    """The table that fits whatever it is printed on."""

    found: Ablation

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.found._table(options.max_width)


def _ranked_without(drop: Drop, whole: Pipeline, split: Split, depth: int) -> Ranked:
    smaller = without(whole, drop).fit(split.train)
    return Ranked.of(smaller, split, depth, f"the rest, {_row(drop)}")


def _row(drop: Drop) -> str:
    return f"without {drop.name}"


def _worth_text(worth: Interval) -> Text:
    if number(worth.mean) is None:
        return Text("–")
    text = Text(f"{round(worth.mean, 4) + 0.0:+.4f}")
    if worth.significant:
        text.append(_HELPS, "green") if worth.mean > 0 else text.append(_HURTS, "red")
    if number(worth.low) is not None:
        text.append(f"\n{_short(worth.low)} …{_short(worth.high)}", "dim")
    return text


def _short(value: float) -> str:
    """+.012, so that six intervals fit side by side; -.000 is below 0."""
    return f"{value + 0.0:+.3f}".replace("0.", ".", 1)


def _json_interval(worth: Interval) -> Mapping[str, Any]:
    found: dict[str, Any] = {name: number(value) for name, value in vars(worth).items()}
    return found | {"significant": worth.significant}


@dataclass(frozen=True)
class Drop:
    """What is left out: encoders by name, and what recommenders learn from events by themselves.

    `users` are encoders of people.
    """

    name: str
    encoders: Sequence[str]
    behaviour: bool = False
    users: Sequence[str] = ()


def drops_of(fitted: Pipeline) -> list[Drop]:
    """Each encoder, of items and of people, then families of several.

    These are all that read text, all that learn from events, and all that is known of people.
    """
    blocks = _blocks_of(fitted)
    drops = [Drop(name, (name,)) for name in blocks]
    behavioural = [name for name, learnt in blocks.items() if learnt]
    texts = [
        name
        for name in blocks
        if name not in behavioural and hasattr(fitted.encoders_[name], "encode_texts")
    ]
    if len(texts) > 1:
        drops.append(Drop("all text", tuple(texts)))
    ranks = bool(_blind(fitted.recommender)) or learns(fitted.transforms_)
    says = len(behavioural) < len(blocks)
    if says and (ranks or len(behavioural) > 1):
        drops.append(Drop("all behaviour", tuple(behavioural), behaviour=ranks))
    people = tuple(fitted.user_encoders_) if reads_users(fitted.recommender) else ()
    drops += [Drop(f"users.{name}", (), users=(name,)) for name in people]
    if len(people) > 1:
        drops.append(Drop("all of people", (), users=people))
    return drops


def _blocks_of(fitted: Pipeline) -> dict[str, bool]:
    """Encoder → whether all that it makes is learnt from events, seen from one item."""
    data = fitted.data_
    single = Dataset(data.interactions.clear(), data.items.head(1), data.users)
    found = {}
    for name, encoder in fitted.encoders_.items():
        made: Features = encoder.encode(single)
        found[name] = made.behavioural == made.parts.keys()
    return found


def without(pipeline: Pipeline, drop: Drop) -> Pipeline:
    """A pipeline like this one without some encoders, not fitted."""
    encoders = pipeline.encoders or {}
    kept = {name: encoder for name, encoder in encoders.items() if name not in drop.encoders}
    people = pipeline.users
    if people is not None:
        people = {name: encoder for name, encoder in people.items() if name not in drop.users}

    def pruned(component: Any, stage: str = "") -> Any:
        return _pruned(component, stage, drop.encoders)

    recommender = pruned(pipeline.recommender, "recommenders")
    if drop.behaviour:
        recommender = replace(recommender, **_blind(recommender))
    smaller = replace(
        pipeline,
        encoders=kept,
        users=people,
        representation=[pruned(part) for part in pipeline.representation],
        fusion=pruned(pipeline.fusion),
        selection=[pruned(part) for part in pipeline.selection],
        recommender=recommender,
        rerankers=[pruned(part) for part in pipeline.rerankers],
        **_people_without(pipeline, drop),
    )
    return _unlearnt(smaller) if drop.behaviour else smaller


def _people_without(pipeline: Pipeline, drop: Drop) -> dict[str, Any]:
    """What is done to blocks of people, naming none that is gone."""
    first, fusion = pipeline.user_representation, pipeline.user_fusion
    return {
        "user_representation": None
        if first is None
        else [_pruned(part, "", drop.users) for part in first],
        "user_fusion": None if fusion is None else _pruned(fusion, "", drop.users),
        "user_selection": [_pruned(part, "", drop.users) for part in pipeline.user_selection],
    }


def _unlearnt(pipeline: Pipeline) -> Pipeline:
    """With plain steps in the place of those that learn from events what items are worth."""
    made = () if not learns([pipeline.fusion]) else getattr(pipeline.fusion, "makes", ())

    def kept(parts: Sequence[Any]) -> list[Any]:
        return [_pruned(part, "", made) for part in parts if not learns([part])]

    return replace(
        pipeline,
        representation=kept(pipeline.representation),
        fusion=Concat() if learns([pipeline.fusion]) else pipeline.fusion,
        selection=kept(pipeline.selection),
        recommender=_pruned(pipeline.recommender, "recommenders", made),
        rerankers=[_pruned(part, "", made) for part in pipeline.rerankers],
    )


def _pruned(component: Any, stage: str, dropped: Sequence[str]) -> Any:
    """A component, or its table, whose settings name none of the blocks that are gone."""
    try:
        opened = registry.Opened.of(stage, component)
    except ConfigError:  # a table that says `type` and is no component's
        return component
    kept = opened.with_parts(lambda _, own, part: _pruned(part, own, dropped))
    kept |= without_blocks(opened.cls, kept, lambda block: _is_of(block, dropped))
    changed = {name: value for name, value in kept.items() if value != opened.settings[name]}
    if isinstance(component, Mapping):
        left = {**component, **changed}
        return {name: value for name, value in left.items() if value is not None}
    return replace(component, **changed) if changed else component


def _blind(recommender: Any) -> dict[str, Any]:
    """The settings with which it, and its parts, learn nothing from events by themselves.

    None where it has no setting `behaviour` that is on, and no part that has one.
    """
    settings = registry.settings_of(recommender) if is_dataclass(recommender) else {}
    changed: dict[str, Any] = {"behaviour": False} if settings.get("behaviour") is True else {}
    parts = settings.get("parts")  # of a committee
    if isinstance(parts, list):
        blind = [_blind(registry.build("recommenders", part, where="parts")) for part in parts]
        if any(blind):
            changed["parts"] = [{**part, **off} for part, off in zip(parts, blind, strict=True)]
    return changed


def _is_of(block: str, encoders: Sequence[str]) -> bool:
    """Whether a block is an encoder's: called like it, or NAME.PART where it makes several."""
    return block in encoders or any(block.startswith(f"{name}.") for name in encoders)
