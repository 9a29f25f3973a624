"""palate: a catalogue and what people did → language-model features → recommendations."""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Aggregates": "palate.encoders.aggregates",
    "Attributes": "palate.encoders.attributes",
    "Audio": "palate.encoders.audio",
    "Behaviour": "palate.encoders.behaviour",
    "Blend": "palate.recommenders.blend",
    "Categories": "palate.encoders.categories",
    "Causal": "palate.encoders.causal",
    "Concat": "palate.fusion.concat",
    "Content": "palate.recommenders.content",
    "Covisit": "palate.recommenders.covisit",
    "Dataset": "palate.types",
    "Diversity": "palate.rerankers.diversity",
    "Ease": "palate.recommenders.ease",
    "Features": "palate.types",
    "FitContext": "palate.types",
    "Graph": "palate.encoders.graph",
    "Histories": "palate.histories",
    "Ids": "palate.types",
    "Image": "palate.encoders.image",
    "Item2Vec": "palate.encoders.item2vec",
    "ItemKNN": "palate.recommenders.item_knn",
    "PalateError": "palate.errors",
    "Pipeline": "palate.pipeline",
    "Popular": "palate.recommenders.popular",
    "Precomputed": "palate.encoders.precomputed",
    "Quantize": "palate.representation.quantize",
    "QuantizedIndex": "palate.representation._search",
    "Ranker": "palate.recommenders.ranker",
    "Recommendations": "palate.types",
    "Reduce": "palate.representation.reduce",
    "Redundancy": "palate.selection.redundancy",
    "Reviews": "palate.encoders.reviews",
    "Sentiment": "palate.encoders.sentiment",
    "SparseCoding": "palate.representation.sparse_coding",
    "Split": "palate.histories",
    "Static": "palate.encoders.static",
    "Telling": "palate.representation.people",
    "TextEncoder": "palate.encoders.use",
    "Tfidf": "palate.encoders.tfidf",
    "Transformer": "palate.encoders.transformer",
    "UserKNN": "palate.recommenders.user_knn",
    "Variance": "palate.selection.variance",
    "Weighted": "palate.fusion.weighted",
    "Whiten": "palate.representation.whiten",
    "ablate": "palate.evaluation.ablate",
    "clean": "palate.data.clean",
    "compare": "palate.evaluation.compare",
    "distill": "palate.distillation",
    "encode_table": "palate.scale.job",
    "evaluate": "palate.evaluation.compare",
    "iterate_features": "palate.scale.vectors",
    "load": "palate.artefact",
    "people_aggregates": "palate.representation._people_numbers",
    "people_features": "palate.representation.people",
    "people_views": "palate.representation.people",
    "read": "palate.data.tables",
    "read_features": "palate.scale.vectors",
    "split_by_time": "palate.data.split",
    "split_given": "palate.data.split",
    "split_leave_last_out": "palate.data.split",
    "split_new_items": "palate.data.split",
    "with_graph_text": "palate.text.triples",
    "write_report": "palate.evaluation.report",
}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    """The public names load on first use: `import palate` alone costs no numpy."""
    if name not in _HOME:
        import difflib

        close = difflib.get_close_matches(name, _HOME, n=1)
        guess = f". Did you mean {close[0]!r}?" if close else ""
        # `obj`, so that the interpreter does not add a guess of its own
        message = f"module 'palate' has no attribute {name!r}{guess}"
        raise AttributeError(message, name=name, obj=None)
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
