"""A Chinese bookshop: readers of 三体 are offered science fiction, with reasons in Chinese.

The default text encoder reads Chinese as it is, without word segmentation; a wish may be written in
Chinese or in English. The readers are made up.
"""

import numpy as np
import polars as pl

import palate

BOOKS = {
    "科幻": """
三体|地球文明向宇宙发出信号，三体人的舰队正在赶来
球状闪电|科学家追寻神秘的闪电，揭开量子武器的秘密
流浪地球|太阳即将毁灭，人类推动地球离开太阳系
沙丘|沙漠星球上，少年卷入星际帝国争夺香料的战争
基地|银河帝国衰落，心理史学家为未来文明保存火种
神经漫游者|黑客潜入赛博空间，对抗人工智能
海底两万里|尼摩船长驾驶潜艇探索深海
太空漫游|宇航员与计算机哈尔飞往木星，寻找外星黑石
时间移民|人类冬眠着穿越时间，去未来的世界移民
""",
    "武侠": """
射雕英雄传|郭靖黄蓉闯荡江湖，华山论剑争夺武功天下第一
神雕侠侣|杨过与小龙女在古墓练剑，历经江湖恩仇
天龙八部|乔峰段誉虚竹三兄弟，武林恩怨与丐帮帮主
笑傲江湖|令狐冲习得独孤九剑，五岳剑派争夺秘籍
倚天屠龙记|屠龙刀倚天剑，张无忌当上明教教主
多情剑客无情剑|小李飞刀例不虚发，江湖兵器谱
绝代双骄|移花宫养大的双胞胎，武功高强的少年侠客
侠客行|少年石破天误打误撞，练成侠客岛上的绝世武功
""",
    "美食": """
随园食单|清代文人记下的江南菜谱与烹饪须知
雅舍谈吃|散文家回忆北平小吃：烤鸭、酸梅汤、豆汁
鱼翅与花椒|英国姑娘在四川学做川菜，爱上花椒与火锅
面包的做法|在家烘焙面包：面粉、酵母与烤箱
家常汤谱|一年四季的家常汤：排骨、豆腐与时令蔬菜
茶与点心|广东早茶里的虾饺、烧卖与叉烧包
""",
    "历史": """
史记|司马迁写下从黄帝到汉武帝的本纪与列传
万历十五年|从明朝平淡的一年看帝国官僚制度的困局
明朝那些事儿|从朱元璋到崇祯，通俗讲述明代皇帝与大臣
资治通鉴|司马光编年记载战国到五代的政治得失
全球通史|从史前人类到现代世界的文明变迁
国史大纲|钱穆讲述中国历代制度与社会的演变
""",
}
UNREAD = ("时间移民", "侠客行")


def bookshop() -> palate.Dataset:
    """Thirty books, two of which nobody has read yet, and eighty readers."""
    rows = [
        {"item_id": title, "title": title, "简介": about, "类别": genre}
        for genre, lines in BOOKS.items()
        for title, about in (line.split("|") for line in lines.strip().splitlines())
    ]
    rng = np.random.default_rng(3)
    books = pl.DataFrame(rows).filter(~pl.col("title").is_in(UNREAD))
    genres = books["类别"].to_numpy()
    events = []
    for reader in range(80):
        own = rng.choice(list(BOOKS), p=[0.4, 0.3, 0.2, 0.1])
        liking = np.where(genres == own, 6.0, 1.0)
        read = rng.choice(len(books), rng.integers(3, 7), replace=False, p=liking / liking.sum())
        events += [(f"读者{reader}", books["item_id"][int(row)]) for row in read]
    log = pl.DataFrame(events, schema=["user_id", "item_id"], orient="row")
    return palate.read(log, items=pl.DataFrame(rows))


def show(heading: str, found: palate.Recommendations, genre_of: dict[str, str]) -> None:
    print(heading)
    for title, reason in found.table.select("item_id", "reasons").iter_rows():
        print(f"  《{title}》 {genre_of[title]}：{reason}")


def main() -> None:
    data = bookshop()
    genre_of = dict(data.items.select("item_id", "类别").iter_rows())
    model = palate.Pipeline(
        encoders={"text": palate.TextEncoder(template="{title}：{简介}")},
        representation=[palate.Whiten(shrinkage=0.1)],  # 30 books are few: even out less
        recommender=palate.Blend(weights=[1.0, 2.0]),  # too few events for a ranker to learn from
    ).fit(data)

    show("读过《三体》：", model.recommend(history=["三体"], k=5, reasons=True), genre_of)
    found = model.recommend(text="飞向宇宙的太空旅行", k=3, reasons=True)
    show("想看“飞向宇宙的太空旅行”：", found, genre_of)
    found = model.recommend(text="how to cook at home", k=3, reasons=True)
    show("想看 “how to cook at home”：", found, genre_of)


if __name__ == "__main__":
    main()
