"""palate: a catalogue and what people did → language-model features → recommendations."""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Aggregates": "palate.features.encoders.aggregates",
    "AssociationRules": "palate.recommenders.association_rules",
    "Attention": "palate.features.fusion.attention",
    "Attributes": "palate.features.encoders.attributes",
    "Audio": "palate.features.encoders.audio",
    "Behaviour": "palate.features.encoders.behaviour",
    "Bias": "palate.recommenders.bias",
    "Bilinear": "palate.recommenders.bilinear",
    "Blend": "palate.recommenders.blend",
    "Categories": "palate.features.encoders.categories",
    "Causal": "palate.features.encoders.causal",
    "Concat": "palate.features.fusion.concat",
    "Content": "palate.recommenders.content",
    "Correlation": "palate.features.fusion.correlation",
    "Covisit": "palate.recommenders.covisit",
    "Dataset": "palate.core.dataset",
    "Diversity": "palate.recommenders.rerankers.diversity",
    "Ease": "palate.recommenders.ease",
    "Ensemble": "palate.recommenders.ensemble",
    "Features": "palate.core.features",
    "FitContext": "palate.core.types",
    "Gated": "palate.features.fusion.gated",
    "Graph": "palate.features.encoders.graph",
    "GraphRecommender": "palate.recommenders.graph",
    "Histories": "palate.core.histories",
    "Ids": "palate.core.ids",
    "Image": "palate.features.encoders.image",
    "Importance": "palate.features.selection.importance",
    "Item2Vec": "palate.features.encoders.item2vec",
    "ItemKNN": "palate.recommenders.item_knn",
    "L1": "palate.features.selection.l1",
    "Linear": "palate.features.fusion.linear",
    "MF": "palate.recommenders.mf",
    "PalateError": "palate.core.errors",
    "Pipeline": "palate.pipeline.pipeline",
    "Popular": "palate.recommenders.popular",
    "Precomputed": "palate.features.encoders.precomputed",
    "Quantize": "palate.features.representation.quantize",
    "QuantizedIndex": "palate.features.quantized_index",
    "Ranker": "palate.recommenders.ranker",
    "Recommendations": "palate.core.types",
    "Reduce": "palate.features.representation.reduce",
    "Redundancy": "palate.features.selection.redundancy",
    "Reviews": "palate.features.encoders.reviews",
    "Sequential": "palate.recommenders.sequence",
    "Sentiment": "palate.features.encoders.sentiment",
    "SparseCoding": "palate.features.representation.sparse_coding",
    "Split": "palate.core.split",
    "Static": "palate.features.encoders.static",
    "HistoryText": "palate.features.user_texts",
    "Switching": "palate.recommenders.switching",
    "TableEncoder": "palate.pipeline.table_encoder",
    "TextEncoder": "palate.features.encoders.muse",
    "Tfidf": "palate.features.encoders.tfidf",
    "Topics": "palate.features.encoders.topics",
    "Transformer": "palate.features.encoders.transformer",
    "TwoTower": "palate.recommenders.two_tower",
    "UserKNN": "palate.recommenders.user_knn",
    "Variance": "palate.features.selection.variance",
    "Weighted": "palate.features.fusion.weighted",
    "Whiten": "palate.features.representation.whiten",
    "WordVectors": "palate.features.encoders.word_vectors",
    "ablate": "palate.evaluation.ablation",
    "checkpoints": "palate.nn.checkpoints",
    "clean": "palate.data.clean",
    "compare": "palate.evaluation.compare",
    "distill": "palate.tuning.distill",
    "encode_table": "palate.features.batch.job",
    "evaluate": "palate.evaluation.compare",
    "iterate_features": "palate.features.vectors",
    "load": "palate.pipeline.pipeline",
    "pseudonym": "palate.data.pseudonyms",
    "user_aggregates": "palate.features.users",
    "user_features": "palate.features.users",
    "user_views": "palate.features.users",
    "read": "palate.data.read",
    "read_card": "palate.pipeline.saved",
    "read_features": "palate.features.vectors",
    "runs": "palate.nn.tracking",
    "robustness": "palate.evaluation.robustness",
    "rollback": "palate.pipeline.saved",
    "shown_progress": "palate.cli.console",
    "split_by_time": "palate.data.split",
    "split_given": "palate.data.split",
    "split_leave_last_out": "palate.data.split",
    "split_cold_items": "palate.data.split",
    "with_graph_text": "palate.text.graph",
    "write_features": "palate.features.export",
    "write_report": "palate.evaluation.report.report",
}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    """The public names load on first use: `import palate` alone costs no numpy."""
    if name not in _HOME:
        from palate.core.errors import guess

        # `obj`, so that the interpreter does not add a guess of its own
        hint = guess(name, _HOME)
        message = f"module 'palate' has no attribute {name!r}{hint and f'.{hint}'}"
        raise AttributeError(message, name=name, obj=None)
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
