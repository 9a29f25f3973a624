import gzip
import os

import pytest

from palate.core.errors import DataError
from palate.data.formats.triples import linked_items, read_links, read_triples

LINES = "m.1\tgenre\tcomedy\nm.2\tgenre\tdrama\nm.1\tdirector\tann\n"
FOUND = [("m.1", "genre", "comedy"), ("m.2", "genre", "drama"), ("m.1", "director", "ann")]


@pytest.mark.parametrize(
    "content",
    [
        LINES,
        "head\trelation\ttail\n" + LINES,
        "head_id:token\trelation_id:token\ttail_id:token\n" + LINES,
        "\n" + LINES.replace("\n", "\r\n") + "\r\n\n",
        LINES + LINES.partition("\n")[0],
        "\ufeff" + LINES,
    ],
    ids=["bare", "named", "recbole", "windows", "repeated", "marked"],
)
def test_triples_are_read_however_they_are_written(write, content):
    assert read_triples(write("graph.tsv", content)).rows() == FOUND


def test_named_columns_may_stand_in_any_order(write):
    path = write("graph.tsv", "relation\ttail\thead\ngenre\tcomedy\tm.1\n")
    assert read_triples(path).rows() == FOUND[:1]
    path = write("a.link", "entity_id:token\titem_id:token\nm.1\t7\n")
    assert read_links(path).rows() == [("7", "m.1")]


def test_packed_files_are_unpacked(write):
    assert read_triples(write("graph.tsv.gz", gzip.compress(LINES.encode()))).rows() == FOUND


def test_malformed_lines_are_named(write):
    broken = LINES + "m.3 genre drama\nm.4\tgenre\t \nm.5\tgenre\tx\ty\n\tgenre\tx\n"
    message = (
        r"graph.tsv must have 3 parts in every line.*'line 4: m.3 genre drama', 'line 5: m.4.*', "
        r"'line 6: m.5.*' and 1 more \(4 in all\)\. Mend"
    )
    with pytest.raises(DataError, match=message):
        read_triples(write("graph.tsv", broken))


def test_files_without_triples_are_refused(write, tmp_path):
    with pytest.raises(DataError, match="is empty"):
        read_triples(write("empty.tsv", "\n \n"))
    with pytest.raises(DataError, match="holds no triples: only a line that names"):
        read_triples(write("named.tsv", "head\trelation\ttail\n"))
    with pytest.raises(DataError, match=r"there is no file .*nmaed.tsv\. Did you mean 'named.tsv'"):
        read_triples(tmp_path / "nmaed.tsv")


def test_an_item_is_one_entity(write):
    twice = "1\tm.1\n2\tm.2\n1\tm.2\n2\tm.2\n"
    with pytest.raises(DataError, match=r"links the same item to several entities: '1'\. Keep one"):
        read_links(write("a.link", twice))


def test_links_must_name_entities_of_the_graph(write):
    triples = read_triples(write("graph.tsv", LINES))
    links = write("a.link", "item_id\tentity_id\n9\tm.2\n7\tm.9\n")
    assert linked_items(triples, links).rows() == [("9", "m.2")]
    assert set(linked_items(triples, None)["item_id"]) == {"m.1", "m.2", "comedy", "drama", "ann"}
    strange = write("b.link", "1\tq.1\n2\tq.2\n3\tq.3\n4\tq.4\n")
    message = (
        r"none of the entities.*'q.1', 'q.2', 'q.3' and 1 more \(4 in all\).*have 'm.1', 'm.2'"
    )
    with pytest.raises(DataError, match=message):
        linked_items(triples, strange)


def test_a_graph_in_another_encoding_or_in_a_pipe(write, tmp_path):
    path = write("graph.tsv", "m.1\tgenre\t喜剧\nm.2\tgenre\t动作冒险\n".encode("gb18030"))
    with pytest.raises(
        DataError, match=r"is text in gb18030 \(.*喜剧.*\): save it as UTF-8"
    ) as caught:
        read_triples(path)
    assert "encoding=" not in str(caught.value), "there is no such setting here"
    os.mkfifo(tmp_path / "pipe.tsv")
    with pytest.raises(DataError, match="is a pipe or a device"):
        read_triples(tmp_path / "pipe.tsv")


def test_a_name_that_no_file_can_have_is_no_file():
    with pytest.raises(DataError, match="File name too long"):
        read_triples("a" * 5000)


def test_triples_in_utf_16_are_to_be_saved_anew(tmp_path):
    path = tmp_path / "kg.tsv"
    path.write_bytes("甲\t类型\t喜剧\n".encode("utf-16"))
    with pytest.raises(DataError, match="marked as UTF-16: save it as UTF-8"):
        read_triples(path)
