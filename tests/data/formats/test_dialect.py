"""Tables of text however they are written: separators, headers, escapes, MovieLens' own files."""

import gzip
import os

import polars as pl
import pytest

from palate.core.errors import DataError
from palate.data.read import read

LOG = pl.DataFrame({"user": ["1", "2"], "item": ["a", "b"]})
PAIRS = [("u1", "g1"), ("u2", "g2")]


def told(*sources, **options):
    notes = []
    data = read(*sources, **options, tell=notes.append)
    return data, str(notes[0])


def pairs(data):
    return data.interactions.select("user_id", "item_id").rows()


def refused(*sources, **options):
    with pytest.raises(DataError) as caught:
        read(*sources, **options)
    return str(caught.value)


# ---- separators


@pytest.mark.parametrize("mark", [";", "\t", "|", "::", "，", "；", "\x01"])
def test_a_csv_with_another_separator(write, mark):
    text = "user,item,title\nu1,g1,a\nu2,g2,\n".replace(",", mark)
    data, notes = told(write("log.csv", text))
    assert pairs(data) == PAIRS
    assert f"separated by {mark!r}, not by commas" in notes
    said = refused(write("log.csv", text + mark.join("wxyz") + "\n"))
    assert "log.csv, line 4: 4 fields, but the header names 3" in said
    assert repr(mark) in said


def test_a_tsv_that_has_commas_is_a_csv(write):
    data, notes = told(write("log.tsv", 'user,item\nu1,g1\n"u2",g2\n'))
    assert pairs(data) == PAIRS
    assert "no tab in its first line: separated by ','" in notes
    alone = read(LOG, users=write("users.tsv", 'user\n1\n"2"\n'))
    assert alone.users["user_id"].to_list() == ["1", '"2"'], "one column needs no separator"


@pytest.mark.parametrize("mark", ["::", "，"])
def test_a_long_separator_inside_of_quotes_is_text(write, mark):
    items = write("items.csv", f'item{mark}title\na{mark}"one{mark}two"\nb{mark}x\n')
    assert read(LOG, items).items["title"].to_list() == [f"one{mark}two", "x"]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_a_first_line_that_says_the_separator(write, mark):
    text = f"sep={mark}\r\nuser,item\r\nu1,g1\r\nu2,g2\r\n".replace(",", mark)
    assert pairs(read(write("log.csv", text))) == PAIRS
    packed = write("log.csv.gz", gzip.compress(text.encode()))
    assert pairs(read(packed)) == PAIRS
    assert "missing in line 5" in refused(write("log.csv", f"{text}u3{mark}\r\n"))
    said = refused(write("log.csv", f"{text}u3{mark}g3{mark}x\r\n"))
    assert "line 5: 3 fields, but the header names 2" in said


def test_a_name_in_capitals_is_the_same_kind(write):
    content = b"user,item\nu1,g1\nu2,g2\n"
    for name in ("log.csv.GZ", "LOG.CSV.GZ", "log.Csv.gz"):
        assert pairs(read(write(name, gzip.compress(content)))) == PAIRS
    assert pairs(read(write("LOG.CSV", content))) == PAIRS


# ---- quotes


BOOKS = (
    '"ISBN";"Book-Title";"Year"\r\n"034545104X";"Flesh \\"and\\" Blood; été";"1"\r\n'
    '"0155061224";"\\"Rites\\"";"2"\r\n"0446520802";"a \\\\ b";"3"\r\n'
)


def test_backslashes_before_quotes_are_found(write):
    path = write("books.csv", BOOKS.encode("latin-1"))
    log = LOG.with_columns(item=pl.lit("034545104X"))
    data, notes = told(log, path, columns={"Book-Title": "title"}, encoding="latin-1")
    assert data.items["title"].to_list() == ['Flesh "and" Blood; été', '"Rites"', "a \\ b"]
    assert "a quote inside of quotes is written with a backslash" in notes


def test_a_fault_in_such_a_table_names_its_line(write):
    path = write("books.csv", BOOKS + '"1";"bro"ken";"4"\r\n')
    said = refused(LOG, path, columns={"Book-Title": "title"})
    assert "books.csv, line 5: a quote is out of order" in said


def test_backslashes_elsewhere_are_letters(write):
    items = write("items.csv", 'item,title\na,"C:\\\\x"\nb,"ends with \\"\n')
    assert read(LOG, items).items["title"].to_list() == ["C:\\\\x", "ends with \\"]


# ---- headers


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("log.csv", "user_id,item_id,note"),
        ("log.csv.gz", "user_id,item_id,note"),
        ("log.tsv", "user_id\titem_id\tnote"),
        ("log.inter", "user_id:token\titem_id:token\tnote:token"),
        ("log.csv", "\ufeffuser_id,item_id,note"),
    ],
)
def test_a_header_inside_of_the_file_is_left_out_and_said(write, name, header):
    mark = "\t" if "\t" in header else ","
    rows = ["u1,g1,", "u2,g2,x"]
    first, second = (row.replace(",", mark) for row in rows)
    text = "\n".join([header, first, header, "", second, header, ""])
    content = text.encode()
    path = write(name, gzip.compress(content) if name.endswith("gz") else content)
    data, notes = told(path, keep=["note"])
    assert pairs(data) == PAIRS
    assert "left out 2 rows that repeat the names of the columns" in notes
    bad = write("bad.csv", "user_id,item_id\nu1,g1\nuser_id,item_id\nu2,\n")
    assert "missing in line 4" in refused(bad)


def test_a_header_among_the_items_and_in_a_frame(write):
    items = write("items.csv", "item_id,title,price\na,A,1\nitem_id,title,price\nb,B,2\n")
    assert read(LOG, items).items.rows() == [("a", "A", 1), ("b", "B", 2)]
    frame = pl.DataFrame({"user": ["user", "u1", "u2"], "item": ["item", "g1", "g2"]})
    assert pairs(read(frame)) == PAIRS


def test_a_person_who_is_called_as_their_column_is_kept(write):
    data = read(write("log.csv", "user,item\nuser,g1\nu2,item\n"))
    assert pairs(data) == [("user", "g1"), ("u2", "item")]


@pytest.mark.parametrize("mark", [",", ";", "::"])
@pytest.mark.parametrize("packed", [False, True])
def test_columns_without_names_go_by_their_places(write, mark, packed):
    text = f"u1,g1,5\nu2,g2,{'4' * 3}\n".replace(",", mark).encode()
    path = write("log.csv.gz", gzip.compress(text)) if packed else write("log.csv", text)
    places = {"column_1": "user_id", "column_2": "item_id", "column_3": "value"}
    items = write("items.csv", "item,title\ng1,A\ng2,B\n")
    data, notes = told(path, items, columns=places)
    assert pairs(data) == PAIRS
    assert data.interactions["value"].to_list() == [5, 444]
    assert data.items["title"].to_list() == ["A", "B"], "a table with names keeps them"
    assert "its first line is a row" in notes


def test_a_first_row_that_holds_a_value_twice(write):
    places = {"column_1": "user_id", "column_2": "item_id"}
    data = read(write("log.csv", "1,1,5\n2,1,4\n"), columns=places)
    assert pairs(data) == [("1", "1"), ("2", "1")]


def test_a_place_that_is_a_name_is_that_column(write):
    path = write("log.csv", "column_2,column_1\ng1,u1\ng2,u2\n")
    data = read(path, columns={"column_1": "user_id", "column_2": "item_id"})
    assert pairs(data) == PAIRS


def test_a_row_in_the_place_of_the_names_is_told_what_to_do(write):
    said = refused(write("log.csv", "1::10::5::978300760\n2::11::4::978300761\n"))
    assert "columns={'column_1': 'user_id'" in said


# ---- MovieLens


FLAGS = "|".join("01"[n in (3, 4, 5)] for n in range(19))


def test_the_files_of_movielens_1m(write):
    log = write("ratings.dat", "1::10::5::978300760\n2::11::4::978300761\n")
    films = '10::Toy Story (1995)::Animation|Children\'s\n11::Misérables, "Les" (1995)::Drama\n'
    items = write("movies.dat", films.encode("latin-1"))
    users = write("users.dat", "1::F::1::10::00067\n2::M::25::16::70072\n")
    assert (
        'movies.dat, line 2: byte 0xe9 is not utf-8. The file is text with encoding="latin-1"'
        in (refused(log, items, users))
    )
    data, notes = told(log, items, users, encoding="latin-1")
    assert data.interactions.rows() == [
        ("1", "10", 978300760.0, 5.0),
        ("2", "11", 978300761.0, 4.0),
    ]
    assert data.items.rows() == [
        ("10", "Toy Story (1995)", ["Animation", "Children's"]),
        ("11", 'Misérables, "Les" (1995)', ["Drama"]),
    ]
    assert data.users["zip_code"].to_list() == ["00067", "70072"]
    assert "ratings.dat: a file of MovieLens: its columns are user_id, item_id, rating" in notes


def test_the_files_of_movielens_100k(write):
    film = "10|Kolya (1996)|24-Jan-1997||http://us.imdb.com/M/title-exact?Kolya%20(1996)|"
    items = write("u.item", f"{film}{FLAGS}\n11|unknown||||1{'|0' * 18}\n")
    users = write("u.user", "1|49|M|writer|00067\n2|39|F|executive|70072\n")
    rows = "1\t10\t3\t881250949\n2\t11\t3\t891717742\n"
    for name in ("u.data", "u1.base", "ua.test"):
        data = read(write(name, rows), items, users)
        assert data.interactions["value"].to_list() == [3, 3]
        assert data.interactions["timestamp"].to_list() == [881250949, 891717742]
    assert data.items["genres"].to_list() == [["Animation", "Children's", "Comedy"], None]
    assert data.items["title"].to_list() == ["Kolya (1996)", "unknown"]
    assert "Action" not in data.items.columns
    assert data.users["occupation"].to_list() == ["writer", "executive"]


def test_faults_in_files_of_movielens_name_their_lines(write):
    log = write("ratings.dat", "1::10::5::978300760\n2::::4::978300761\n")
    assert "ratings.dat: column 'item_id' is missing in line 2" in refused(log)
    log = write("ratings.dat", "1::10::5::978300760\n2::11::4::978300761::x\n")
    assert "ratings.dat, line 2: 5 fields, but the first line has 4" in refused(log)


@pytest.mark.parametrize("mark", ["\t", "::", "|", ";", ","])
def test_a_dat_with_names_is_read_by_its_own_separator(write, mark):
    text = 'userID,artistID,weight\nu1,g1,3\nu2,g2,"4\n'.replace(",", mark)
    path = write("user_artists.dat", text.replace('"', ""))
    assert pairs(read(path, columns={"artistID": "item_id"})) == PAIRS


def test_a_file_of_another_kind_with_such_a_suffix(write):
    assert ".test is no known kind of table" in refused(write("some.test", "user,item\n1,2\n"))


# ---- what is no file


def test_a_pattern_is_no_file(write):
    path = write("log1.csv", "user,item\nu1,g1\n")
    write("log2.csv", "user,item\nu2,g2\n")
    said = refused(path.with_name("log*.csv"))
    assert "is a pattern, not a file: 'log1.csv', 'log2.csv'" in said
    assert "no such file" in refused(path.with_name("lag*.csv"))


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "log.csv")
    assert "is a pipe or a device" in refused(tmp_path / "log.csv")
    assert "is a pipe or a device" in refused("/dev/null")


# ---- rows that lack something


def test_rows_that_lack_an_id_or_a_time_can_be_left_out(write):
    rows = "u1,g1,1,\n,g2,2,\nu3, ,3,\nu4,g1,,\n\nu5,g2,9,4\n"
    path = write("log.csv", "user,item,ts,rating\n" + rows)
    items = write("items.csv", "item,title\ng1,A\n,B\ng2,C\n")
    users = write("users.csv", "user,age\nu1,20\n,21\n")
    assert "drop_missing=True" in refused(path)
    assert "drop_missing=True" in refused(write("t.csv", "user,item,ts\nu1,g1,1\nu2,g2,\n"))
    data, notes = told(path, items, users, drop_missing=True)
    assert pairs(data) == [("u1", "g1"), ("u5", "g2")]
    assert data.interactions["value"].to_list() == [None, 4], "what is not needed may be missing"
    assert data.items["item_id"].to_list() == ["g1", "g2"]
    assert data.users["user_id"].to_list() == ["u1"]
    for what in (
        "log.csv: left out 1 row without 'user': line 3",
        "'item': line 4",
        "'ts': line 5",
    ):
        assert what in notes
    assert "items.csv: left out 1 row without 'item': line 3" in notes


def test_rows_of_frames_that_lack_something():
    frame = pl.DataFrame(
        {
            "user": [1.0, float("nan"), 3.0, 4.0],
            "item": ["g1", "g1", None, "g1"],
            "weight": [1, 1, 1, None],
        }
    )
    assert pairs(read(frame, drop_missing=True)) == [("1", "g1")]
    log = pl.DataFrame({"user": ["a", "b"], "item": ["x", "y"], "event": ["buy", None]})
    assert pairs(read(log, events={"buy": 2}, drop_missing=True)) == [("a", "x")]
    assert len(read(log, drop_missing=True).interactions) == 2


def test_nothing_left_is_an_error():
    log = pl.DataFrame({"user": ["a", None], "item": [None, "y"]})
    assert "drop_missing=True leaves no row" in refused(log, drop_missing=True)


@pytest.mark.parametrize(
    "text",
    [
        "SEP=;\nuser;item\nu;i\n",
        '"sep=;"\nuser;item\nu;i\n',
        'user;item;"rating, of 5"\nu;i;4\n',
    ],
)
def test_semicolons_that_are_stated_or_stand_outside_of_quotes(text, tmp_path):
    (tmp_path / "log.csv").write_text(text)
    assert read(tmp_path / "log.csv").interactions["item_id"].to_list() == ["i"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv.bz2", b"BZh9", "packed with bzip2: unpack it"),
        ("a.zip", b"PK\x03\x04", "a zip archive"),
        ("a.csv", b"SQLite format 3\0", "a database of SQLite"),
        ("a.csv", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("a.csv", b"<!DOCTYPE html>\n<html>\n", "a web page"),
        ("a.csv", "user,item\nu,i\n".encode("utf-32"), "UTF-32"),
    ],
)
def test_other_files_are_told_for_what_they_are(name, content, said, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        read(tmp_path / name)
