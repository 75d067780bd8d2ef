import json

import pytest
from hypothesis import given, strategies

from jaxdl.data.own import table_files
from jaxdl.data.own.table_files import read_table
from jaxdl.data.own.tables import find_tables, list_pictures, list_texts
from jaxdl.errors import UserError


@pytest.fixture
def table(tmp_path):
    def write(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_quotes_newlines_and_emoji(table):
    path = table('id,Text,Label\n1,"He said ""no"",\nand left 😀",bad\n2,fine,good\n\n')
    found = list_texts(path, "", "")
    assert found.contents == ['He said "no",\nand left 😀', "fine"]
    assert found.labels == ["bad", "good"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_that_of_the_header(table, separator):
    path = table(separator.join(("text", "label")) + "\n" + separator.join(("a", "b")) + "\n")
    assert read_table(path, list) == [["a"], ["b"]]


def test_quotation_marks_that_belong_to_texts_do_not_join_rows(table):
    path = table('text\tlabel\n" a film\tbad\nof " the end "\tgood\nthe end"\tbad\n', "t.tsv")
    with pytest.raises(UserError, match="expected after"):
        read_table(path, list)
    path = table('text\tlabel\n" a film\tbad\nthe end"\tgood\n', "t.tsv")
    with pytest.raises(UserError, match="line 3: double quotes seem to join several rows into"):
        read_table(path, list)


def test_a_cell_may_have_line_breaks_and_tabs(table):
    path = table('text\tlabel\n"def f():\n\treturn 1\n\n"\tcode\n', "t.tsv")
    assert read_table(path, list) == [["def f():\n\treturn 1\n\n"], ["code"]]


def test_a_byte_order_mark_is_not_part_of_a_name(table):
    assert read_table(table("\ufefftext,label\na,b\n"), lambda names: ["text"]) == [["a"]]


def test_lines_of_json(table):
    path = table('{"text": "a\\nb", "stars": 5}\n\n{"stars": 4.0, "text": "c"}\n', "t.jsonl")
    found = list_texts(path, "", "")
    assert (found.contents, found.labels) == (["a\nb", "c"], ["5", "4"])


def test_parquet(table):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = table("", "t.parquet")
    parquet.write_table(pyarrow.table({"text": ["a", "b"], "label": [1, 0]}), path)
    assert list_texts(path, "", "").labels == ["1", "0"]


def test_columns_that_are_named(table):
    path = table("first,second,third\na,b,c\n")
    found = list_texts(path, "third", "first")
    assert (found.contents, found.labels) == (["c"], ["a"])


@given(
    strategies.lists(strategies.tuples(strategies.text(), strategies.text(min_size=1)), min_size=1)
)
def test_any_texts_are_read_as_they_were_written(tmp_path_factory, rows):
    rows = [(text if text.strip() else "x", label.strip() or "x") for text, label in rows]
    path = tmp_path_factory.mktemp("tables") / "table.jsonl"
    path.write_text("\n".join(json.dumps({"text": t, "label": lb}) for t, lb in rows))
    found = list_texts(path, "", "")
    assert found.contents == [text for text, _ in rows]


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        ("", "t.csv", "no column that is named like a label"),
        ("text,label\n", "t.csv", "has no rows below its header"),
        ("text,text\na,b\n", "t.csv", "two columns of the same name"),
        ("text,label\na\n", "t.csv", "line 2: it has 1 cells, but the header 2"),
        ('text,label\n"a,b\n', "t.csv", "cannot be read as a table"),
        (b"text,label\n\xff,b\n", "t.csv", "cannot be read as a table"),
        ("text,label\na,b\nc,\n", "t.csv", "row 2: the label is empty"),
        ("text,label\na,\nc,\n", "t.csv", "t.csv has no labels"),
        (
            "words,label\na,b\n",
            "t.csv",
            "no column that is named like a text; .*--text-column: words",
        ),
        ("text,label,class\na,b,c\n", "t.csv", "more than one column .*--label-column"),
        ("nonsense\n", "t.jsonl", "line 1: it is not JSON"),
        ("[" * 100_000, "t.jsonl", "line 1: it is not JSON"),
        ("[1]\n", "t.jsonl", "line 1: it is not an object"),
        ('{"text": 1, "label": "a"}', "t.jsonl", "row 1: there is no text"),
        ('{"text": "b", "label": "a"}\n{"text": "b"}', "t.jsonl", "row 2: the label is empty"),
        ('{"text": "b", "label": NaN}', "t.jsonl", "t.jsonl has no labels"),
        ('{"text": "b", "label": ["a"]}', "t.jsonl", "row 1: the label is .*, no name"),
        ("text,label\n ,a\n", "t.csv", "row 1: there is no text"),
        ("not parquet", "t.parquet", "t.parquet (cannot be read as a table|needs pyarrow)"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_line(table, content, name, words):
    with pytest.raises(UserError, match=words) as failure:
        list_texts(table(content, name), "", "")
    assert "\n" not in str(failure.value)


def test_a_small_parquet_file_does_not_fill_the_memory(tmp_path, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    monkeypatch.setattr(table_files, "LARGEST_PARQUET", 2**20)
    path = tmp_path / "t.parquet"
    columns = {"text": ["a long text " * 100] * 20_000, "label": ["a", "b"] * 10_000}
    parquet.write_table(pyarrow.table(columns), path)
    with pytest.raises(UserError, match="unpacks to more than 100 times its size"):
        list_texts(path, "", "")


def test_a_column_of_numbers_is_no_class(table):
    path = table("text,label\n" + "".join(f"a,{n}\n" for n in range(3000)))
    with pytest.raises(UserError, match="has 3,000 different labels in 3,000 rows, too many"):
        list_texts(path, "", "")


def test_pictures_lie_in_the_folder_of_their_table(table, tmp_path):
    found = list_pictures(table("file,label\na/b.png,1\nc.png,2\n"), "")
    assert [*found.contents] == [tmp_path / "a" / "b.png", tmp_path / "c.png"]
    for outside in ("../x.png", "/etc/passwd", "a/../../x.png", f"{tmp_path}/../x.png"):
        with pytest.raises(UserError, match=r"which is not in .*: move it there"):
            list_pictures(table(f"file,label\n{outside},1\n"), "")


def test_tables_of_other_splits_are_not_trained_on(table, tmp_path):
    table("", "test.csv")
    with pytest.raises(UserError, match=r"has test.csv, but no table train: add it"):
        find_tables(tmp_path)


def test_the_tables_of_a_folder(table, tmp_path):
    assert find_tables(tmp_path) == {}
    only = table("", "anything.csv")
    assert find_tables(tmp_path) == {"train": only}
    table("", "other.csv")
    with pytest.raises(UserError, match=r"has the tables anything.csv, other.csv: give the file"):
        find_tables(tmp_path)
    (tmp_path / "cat").mkdir()
    assert find_tables(tmp_path) == {}  # they are not what is meant beside folders of classes
    train, test = table("", "train.csv"), table("", "test.tsv")
    assert find_tables(tmp_path) == {"train": train, "test": test}
    table("", "train.jsonl")
    with pytest.raises(UserError, match="are both for train"):
        find_tables(tmp_path)
