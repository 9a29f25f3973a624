"""Texts that are no UTF-8: an encoding is tried on the whole file before it is advised."""

import gzip

import polars as pl
import pytest

from palate.core.errors import ConfigError, DataError
from palate.data.read import read

LOG = pl.DataFrame({"user": ["1", "2"], "item": ["g0", "g1"]})
SAMPLES = [
    ("gb18030", ["小号帐篷，防水", "青花瓷茶壶", "龙井绿茶礼盒装"]),
    ("big5", ["小號帳篷，防水", "青花瓷茶壺", "龍井綠茶禮盒裝"]),
    ("euc-kr", ["녹차 선물 세트", "방수 텐트 소형", "어린이 보온 물병"]),
    ("shift_jis", ["千と千尋の神隠し", "緑茶ギフトセット", "七人の侍"]),
    ("euc_jp", ["となりのトトロ", "緑茶ギフトセット", "子供用水筒"]),
    ("koi8-r", ["Зелёный чай", "Палатка водонепроницаемая", "Брат"]),
    ("windows-1251", ["Зелёный чай", "Палатка водонепроницаемая", "Брат"]),
    ("windows-1253", ["Πράσινο τσάι", "Ο θίασος", "Ζορμπάς"]),
    ("windows-1254", ["Yeşil çay", "Kış Uykusu", "Ağır Roman"]),
    ("windows-1250", ["Żółta koszula", "Ostře sledované vlaky", "Pociąg"]),
    ("windows-1252", ["L’été meurtrier", "Café – crème", "Œuvres"]),
    ("latin-1", ["Müller Käse", "größer", "À bout de souffle"]),
]


def table(titles):
    return "item,title\n" + "".join(f"g{n},{title}\n" for n, title in enumerate(titles))


def refused(*sources, error=DataError, **options):
    with pytest.raises(error) as caught:
        read(*sources, **options)
    return str(caught.value)


@pytest.mark.parametrize("name", ["items.csv", "items.csv.gz", "items.tsv", "items.jsonl"])
@pytest.mark.parametrize(("encoding", "titles"), SAMPLES)
def test_the_encoding_of_a_table_is_found_and_reads_it(write, name, encoding, titles):
    text = table(titles).replace(",", "\t" if name.endswith("tsv") else ",")
    if name.endswith("jsonl"):
        rows = enumerate(titles)
        text = "".join(f'{{"item": "g{n}", "title": "{title}"}}\n' for n, title in rows)
    content = text.encode(encoding)
    path = write(name, gzip.compress(content) if name.endswith("gz") else content)
    said = refused(LOG, path)
    assert f"{name}, line {1 if name.endswith('jsonl') else 2}: byte 0x" in said
    assert f'is not utf-8. The file is text with encoding="{encoding}"' in said
    assert titles[0] in said, "as it would read"
    assert read(LOG, path, encoding=encoding).items["title"].to_list() == titles


def test_two_encodings_that_read_it_alike_well_are_both_shown(write):
    said = refused(LOG, write("items.csv", table(["기생충", "차"]).encode("euc-kr")))
    assert 'encoding="euc-kr"' in said
    assert 'encoding="gb18030"' in said
    assert "기생충" in said
    assert "if one reads well" in said


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.replace("茶".encode(), b"\xe8\xff\xb6"),
        lambda content: content.replace("茶".encode(), "茶".encode()[:2]),
        lambda content: content.replace("茶".encode(), "茶".encode()[1:]),
    ],
    ids=["other byte", "cut", "late"],
)
def test_utf_8_with_a_bad_byte_is_damaged_not_in_another_encoding(write, damage):
    titles = ["小号帐篷，防水", "Käse, größer", "青花瓷茶壶", "龙井"]
    said = refused(LOG, write("items.tsv", damage(table(titles).replace(",", "\t").encode())))
    assert "items.tsv is damaged at line 4: bytes that are no letter in" in said
    assert "青花瓷�" in said
    assert "encoding=" not in said


def test_damage_in_many_lines_is_counted(write):
    row = "小号帐篷防水青花瓷茶壶\n".encode()
    rows = b"".join(b"g%d," % n + row.replace(b"\n", b"\xff\n") for n in range(5))
    said = refused(LOG, write("items.csv", b"item,title\n" + rows))
    assert "is damaged at line 2, 3, 4 and 2 more (5 in all)" in said


@pytest.mark.parametrize(
    "content",
    [
        b"item,title\ng0,a\xff\ng1,b\n",
        "item,title\ng0,\xe9\n".encode("latin-1") + "g1,ü\n".encode(),
        bytes(range(128, 256)),
    ],
    ids=["one byte", "two encodings", "noise"],
)
def test_what_no_encoding_reads_gets_no_advice(write, content):
    said = refused(LOG, write("items.csv", content))
    assert "none of the usual encodings reads the whole file as text" in said
    assert "encoding=" not in said


def test_an_encoding_that_was_said_wrongly(write):
    titles = SAMPLES[1][1]
    path = write("items.csv", table(titles).encode("big5"))
    assert 'is not euc-kr. The file is text with encoding="big5"' in refused(
        LOG, path, encoding="euc-kr"
    )
    path = write("items.csv", table(["茶"]).encode())
    assert 'the whole file is UTF-8, so say so: encoding="utf-8"' in refused(
        LOG, path, encoding="ascii"
    )


@pytest.mark.parametrize("encoding", ["latin-eins", "hex", "rot13", "a\0b", ""])
def test_what_is_no_encoding(write, encoding):
    assert "is no encoding" in refused(write("l.csv", "user,item\n1,g0\n"), encoding=encoding)


def test_each_table_has_its_own_encoding(write):
    log = write("log.csv", "user,item\n张三,g0\n李四,g1\n")
    items = write("items.csv", table(["Café", "Thé"]).encode("latin-1"))
    said = refused(log, items, encoding="latin-1")
    assert 'log.csv: it is in UTF-8: encoding="latin-1" makes' in said
    assert "'张三'" in said
    assert "encoding={'interactions': 'utf-8', 'items': 'latin-1'}" in said
    data = read(log, items, encoding={"items": "latin-1"})
    assert data.user_ids.tolist() == ["张三", "李四"]
    assert data.items["title"].to_list() == ["Café", "Thé"]


@pytest.mark.parametrize("odd", ["interactions", "items", "users"])
def test_the_encoding_of_every_table_is_looked_at(write, odd):
    own = dict.fromkeys(("interactions", "items", "users"), "utf-8") | {odd: "gb18030"}
    texts = {
        "interactions": "user,item,评论\n张三,g0,很好的茶\n李四,g1,很好的茶\n",
        "items": table(["绿茶很香", "红茶很浓"]),
        "users": "user,城市\n张三,上海市\n李四,北京市\n",
    }
    log, items, people = (write(f"{kind}.csv", texts[kind].encode(own[kind])) for kind in texts)
    said = refused(log, items, users=people, encoding="gb18030")
    assert f"encoding={own}" in said
    data = read(log, items, users=people, encoding=own)
    assert data.items["title"].to_list() == ["绿茶很香", "红茶很浓"]


def test_an_encoding_that_is_named_for_a_table_is_believed_and_remarked(write):
    log = write("log.csv", "user,item\n张三,g0\n")
    told = []
    options = {"encoding": {"interactions": "latin-1"}, "tell": told.append}
    assert read(log, **options).user_ids.tolist() == ["张三".encode().decode("latin-1")]
    assert "it is in UTF-8" in str(told[0])
    assert "Leave encoding= out" in refused(log, encoding="latin-1")


@pytest.mark.parametrize(
    ("encoding", "fix"),
    [
        ({"item": "latin-1"}, "Did you mean 'items'?"),
        ({"items": None}, "encoding={'items': None}"),
        (3, "'utf-8' or 'latin-1'"),
    ],
)
def test_encodings_of_a_wrong_kind(encoding, fix):
    assert fix in refused(LOG, encoding=encoding, error=ConfigError)
