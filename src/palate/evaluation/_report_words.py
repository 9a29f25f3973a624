"""What the report says, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

Words: TypeAlias = Mapping[str, str]

_ENGLISH: Final[Words] = {
    "lang": "en",
    "skip": "Skip to the report",
    "contents": "Contents",
    "footer": "Made by palate {version}. This page is one file; it loads nothing from anywhere.",
    "of": "{part} of {whole}",
    "interval": "95% interval {low} to {high}",
    "answer": "In short",
    "nav_answer": "In short",
    "nav_table": "Table",
    "nav_bars": "How sure",
    "nav_map": "Map",
    "nav_importance": "What matters",
    "nav_tail": "Long tail",
    "nav_people": "People",
    "best_row": (
        "<strong>{best}</strong> finds best what people chose next: {metric} "
        "<strong>{mean}</strong> ({interval})."
    ),
    "best_only": "{compared} on the split “{split}”.",
    "compared": "{count} recommenders were compared",
    "compared_one": "One recommender was measured",
    "difference_yes": (
        "That is {change} the reference {reference} ({mean}): a difference of {difference} "
        "({low} to {high}), which is <strong>significant</strong> (paired bootstrap over people, "
        "p = {p})."
    ),
    "difference_no": (
        "That is {change} the reference {reference} ({mean}): a difference of {difference} "
        "({low} to {high}), which is <strong>not significant</strong> (paired bootstrap over "
        "people, p = {p})."
    ),
    "difference_few": (
        "That is {change} the reference {reference} ({mean}); too few people were asked to say "
        "whether the difference is more than chance."
    ),
    "above_by": "{percent} above",
    "above": "above",
    "level": "level with",
    "best_is_reference": "It is the reference itself: no other row stands above it.",
    "no_reference": "No row was named as the reference, so no difference was tested.",
    "people": "people",
    "items": "items",
    "events": "training events",
    "requests": "requests asked",
    "split": "split",
    "split_time": "by time",
    "split_leave_last_out": "last event of each person",
    "split_new_items": "new items",
    "split_given": "as given",
    "chance_level": "{metric} by chance",
    "seen_masked": "What a person had already touched was not recommended.",
    "seen_open": "What a person had already touched could be recommended again.",
    "masked_answers": (
        "{count} answers were items the person had touched before, so no recommender could hit them."
    ),
    "table_title": "Every recommender, every kind of request",
    "table_text": (
        "The whole catalogue is ranked for each request; nothing is sampled. Higher is better."
    ),
    "recommender": "Recommender",
    "reference_tag": "reference",
    "best": "best in the column",
    "legend_best": "best in the column",
    "legend_up": "significantly above {reference}",
    "legend_down": "significantly below {reference}",
    "legend_test": "(paired bootstrap over people, 95%; not corrected for the number of rows)",
    "legend_none": "nothing was asked",
    "up": "significantly above the reference",
    "down": "significantly below the reference",
    "requests_short": "{count} requests",
    "requests_one": "1 request",
    "slice_all": "All requests",
    "slice_new_items": "New items",
    "slice_long_tail": "Long tail",
    "slice_head": "Popular head",
    "slice_short_history": "People with ≤ 5 events",
    "slice_new_people": "New people",
    "slice_history_0": "No events before",
    "slice_history_1_5": "1 to 5 events before",
    "slice_history_6_20": "6 to 20 events before",
    "slice_history_21_100": "21 to 100 events before",
    "slice_history_101_up": "Over 100 events before",
    "bars_title": "How sure these numbers are",
    "bars_text": (
        "{metric} with its 95% interval, from a bootstrap that resamples people. "
        "Each panel has its own scale; the dotted line is chance."
    ),
    "by_length": "By length of history",
    "map_title": "The catalogue on one map",
    "map_text": (
        "Each dot is an item; items that the block “{block}” finds alike lie close together "
        "({method}). Colour: {column}."
    ),
    "map_text_plain": (
        "Each dot is an item; items that the block “{block}” finds alike lie close together "
        "({method})."
    ),
    "map_sampled": "{shown} of {total} items are shown.",
    "map_rarest": "An item with several is coloured by the rarest of those shown.",
    "map_label": (
        "Map of {count} items. Arrow keys move from dot to dot, plus and minus zoom, "
        "zero shows everything, Escape clears."
    ),
    "map_search": "Find a title",
    "map_found": "{count} found",
    "map_all": "All",
    "map_other": "other",
    "map_in": "Zoom in",
    "map_out": "Zoom out",
    "map_reset": "Show everything",
    "map_hint": "Point at, tap or focus the map to see titles.",
    "map_person": "{name}: ○ history, ★ recommended",
    "map_clear": "Clear",
    "map_noscript": "The map needs JavaScript, which is part of this file.",
    "categories": "Categories",
    "importance_title": "What the ranker looks at",
    "importance_text": (
        "<strong>Contribution</strong> is how much a feature moves the scores on average "
        "(mean |SHAP|); <strong>gain</strong> is how much it helped while the trees were built. "
        "Both are shares of the whole."
    ),
    "families": "Families of features",
    "features_top": "The {count} strongest features",
    "feature": "Feature",
    "family": "Family",
    "gain": "gain",
    "contribution": "contribution",
    "tail_title": "How far into the long tail",
    "tail_text": (
        "Items stand from the most to the least popular. A line says which share of all events, or "
        "of all recommended places, the items up to there hold: the lower a line runs, the more of "
        "it goes to the tail. The head is the {head} items with {share} of the training events."
    ),
    "tail_x": "share of the catalogue, most popular first",
    "tail_y": "cumulative share",
    "tail_label": "Long-tail curve: {series}",
    "training_events": "training events",
    "head": "head",
    "tail": "long tail",
    "coverage": "Coverage",
    "novelty": "Novelty (bits)",
    "long_tail_share": "Long-tail share",
    "gini": "Gini",
    "diversity": "Diversity",
    "beyond_text": (
        "Coverage: share of the catalogue shown to anybody. Novelty: surprise of what is shown. "
        "Gini: 0 all items alike, 1 one item only. Diversity: how unlike the items of a list are."
    ),
    "people_title_one": "One person",
    "people_title": "{count} people, from short histories to long ones",
    "people_text": (
        "Drawn at random within groups of history length, not picked. Each sees what "
        "{model} recommends at that moment, why, and what the person really chose next."
    ),
    "history": "History, newest first",
    "history_of": "History, newest first ({shown} of {total})",
    "history_none": "No history yet.",
    "recommended": "Recommended",
    "recommended_none": "Nothing is left to recommend.",
    "chosen_next": "Chosen next",
    "hit": "chosen next",
    "and_more": "and {count} more",
    "on_map": "On the map",
    "on_map_label": "Show {name} on the map",
}

_CHINESE: Final[Words] = {
    "lang": "zh-CN",
    "skip": "跳到报告正文",
    "contents": "目录",
    "footer": "由 palate {version} 生成。本页只是一个文件，不从任何地方加载内容。",
    "of": "{part} / {whole}",
    "interval": "95% 区间 {low} 至 {high}",
    "answer": "结论",
    "nav_answer": "结论",
    "nav_table": "总表",
    "nav_bars": "把握",
    "nav_map": "地图",
    "nav_importance": "看重什么",
    "nav_tail": "长尾",
    "nav_people": "用户",
    "best_row": (
        "<strong>{best}</strong> 最能找到人们接下来的选择：{metric} "
        "<strong>{mean}</strong>（{interval}）。"
    ),
    "best_only": "{compared}，数据切分为“{split}”。",
    "compared": "共比较 {count} 个推荐器",
    "compared_one": "只测了一个推荐器",
    "difference_yes": (
        "{change}参照 {reference}（{mean}）：差值 {difference}（{low} 至 {high}），"
        "<strong>显著</strong>（按人配对自助法，p = {p}）。"
    ),
    "difference_no": (
        "{change}参照 {reference}（{mean}）：差值 {difference}（{low} 至 {high}），"
        "<strong>不显著</strong>（按人配对自助法，p = {p}）。"
    ),
    "difference_few": ("{change}参照 {reference}（{mean}）；人数太少，无法判断差别是否出于偶然。"),
    "above_by": "高出 {percent} 于",
    "above": "高于",
    "level": "持平于",
    "best_is_reference": "它就是参照本身：没有别的行高于它。",
    "no_reference": "没有指定参照行，因此未做差异检验。",
    "people": "人",
    "items": "物品",
    "events": "训练事件",
    "requests": "请求",
    "split": "切分",
    "split_time": "按时间",
    "split_leave_last_out": "每人最后一次",
    "split_new_items": "新物品",
    "split_given": "给定",
    "chance_level": "随机的 {metric}",
    "seen_masked": "已接触过的物品不再推荐。",
    "seen_open": "已接触过的物品可以再次推荐。",
    "masked_answers": "有 {count} 个答案是此人先前已接触过的物品，任何推荐器都无法命中。",
    "table_title": "每个推荐器，每类请求",
    "table_text": "对每个请求都排列整个目录，不做抽样。数值越高越好。",
    "recommender": "推荐器",
    "reference_tag": "参照",
    "best": "本列最佳",
    "legend_best": "本列最佳",
    "legend_up": "显著高于 {reference}",
    "legend_down": "显著低于 {reference}",
    "legend_test": "（按人配对自助法，95%；未按行数校正）",
    "legend_none": "没有此类请求",
    "up": "显著高于参照",
    "down": "显著低于参照",
    "requests_short": "{count} 个请求",
    "requests_one": "1 个请求",
    "slice_all": "全部请求",
    "slice_new_items": "新物品",
    "slice_long_tail": "长尾",
    "slice_head": "热门",
    "slice_short_history": "事件 ≤ 5 的人",
    "slice_new_people": "新用户",
    "slice_history_0": "此前没有事件",
    "slice_history_1_5": "此前 1–5 个事件",
    "slice_history_6_20": "此前 6–20 个事件",
    "slice_history_21_100": "此前 21–100 个事件",
    "slice_history_101_up": "此前超过 100 个事件",
    "bars_title": "这些数字有多大把握",
    "bars_text": "{metric} 及其 95% 区间（按人重抽样的自助法）。各图刻度不同；虚线为随机水平。",
    "by_length": "按历史长度",
    "map_title": "一张图看目录",
    "map_text": "每个点是一件物品；特征块“{block}”认为相近的物品彼此靠近（{method}）。颜色：{column}。",
    "map_text_plain": "每个点是一件物品；特征块“{block}”认为相近的物品彼此靠近（{method}）。",
    "map_sampled": "显示 {total} 件中的 {shown} 件。",
    "map_rarest": "属于多个类别的物品，按所示类别中最少见的一个着色。",
    "map_label": "{count} 件物品的地图。方向键逐点移动，加减号缩放，零显示全部，Esc 清除。",
    "map_search": "查找标题",
    "map_found": "找到 {count} 个",
    "map_all": "全部",
    "map_other": "其他",
    "map_in": "放大",
    "map_out": "缩小",
    "map_reset": "显示全部",
    "map_hint": "指向、轻触或聚焦地图即可看到标题。",
    "map_person": "{name}：○ 历史，★ 推荐",
    "map_clear": "清除",
    "map_noscript": "地图需要 JavaScript，它就在本文件里。",
    "categories": "类别",
    "importance_title": "排序器看重什么",
    "importance_text": (
        "<strong>贡献</strong>：一个特征平均使得分变动多少（|SHAP| 均值）；"
        "<strong>增益</strong>：建树时它带来多少改进。两者都是占总量的份额。"
    ),
    "families": "特征族",
    "features_top": "最强的 {count} 个特征",
    "feature": "特征",
    "family": "族",
    "gain": "增益",
    "contribution": "贡献",
    "tail_title": "深入长尾多远",
    "tail_text": (
        "物品从最热门排到最冷门。曲线表示到此为止的物品占全部事件（或全部推荐位）的份额：曲线越低，"
        "分给长尾的越多。头部是占训练事件 {share} 的 {head} 件物品。"
    ),
    "tail_x": "目录份额（从最热门起）",
    "tail_y": "累计份额",
    "tail_label": "长尾曲线：{series}",
    "training_events": "训练事件",
    "head": "头部",
    "tail": "长尾",
    "coverage": "覆盖率",
    "novelty": "新颖度（比特）",
    "long_tail_share": "长尾份额",
    "gini": "基尼系数",
    "diversity": "多样性",
    "beyond_text": (
        "覆盖率：推荐给过任何人的目录份额。新颖度：所推荐内容的意外程度。"
        "基尼系数：0 为各物品均等，1 为只有一件。多样性：同一列表内物品有多不相像。"
    ),
    "people_title_one": "一位用户",
    "people_title": "{count} 位用户，从短历史到长历史",
    "people_text": (
        "按历史长度分组随机抽取，未经挑选。每人可见 {model} 当时推荐什么、为什么，"
        "以及此人接下来真正的选择。"
    ),
    "history": "历史（新的在前）",
    "history_of": "历史（新的在前，{total} 件中的 {shown} 件）",
    "history_none": "还没有历史。",
    "recommended": "推荐",
    "recommended_none": "没有可推荐的了。",
    "chosen_next": "接下来选了",
    "hit": "接下来选了它",
    "and_more": "另有 {count} 个",
    "on_map": "在地图上看",
    "on_map_label": "在地图上显示 {name}",
}

WORDS: Final[Mapping[str, Words]] = {"en": _ENGLISH, "zh": _CHINESE}
