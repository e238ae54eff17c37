"""The table that a search gives: its laws, and the names that scripts use."""

import json
import string
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nipype_xnat.errors import UsageError
from nipype_xnat.search import Table

AGES = Table(
    [
        {"id": "E1", "age": "81", "subject_id": "S1"},
        {"id": "E2", "age": "9", "subject_id": "S2"},
        {"id": "E3", "age": "", "subject_id": "S1"},
    ]
)

texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)
names = st.text(string.ascii_lowercase + ' _,;"\r\né', min_size=1, max_size=6)


@st.composite
def tables(draw):
    columns = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    rows = st.fixed_dictionaries(dict.fromkeys(columns, texts))
    return Table(draw(st.lists(rows, max_size=5)), columns)


@given(tables(), st.sampled_from(",;\t|"))
def test_csv_brings_back_what_was_written(table, delimiter):
    assert Table.from_csv(table.dumps_csv(delimiter), delimiter) == table


@given(tables())
def test_json_brings_back_the_rows(table):
    assert Table.from_json(table.dumps_json()) == table.data
    assert json.loads(table.dumps_json()) == table.data


@given(tables(), st.sampled_from(",;\t"))
def test_files_bring_back_what_was_written(table, delimiter):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table"
        table.dump_csv(path, delimiter)
        assert Table.from_csv(path, delimiter) == table
        table.dump_json(path)
        assert Table.from_json(path) == table.data


@given(tables())
def test_where_and_where_not_part_the_rows(table):
    name = table.columns[0]
    for value in table.column(name):
        inside, outside = table.where(**{name: value}), table.where_not(**{name: value})
        assert len(inside) + len(outside) == len(table)
        assert set(inside.column(name)) == {value}


@given(tables())
def test_a_join_with_itself_keeps_all_and_overwrites_nothing(table):
    name = table.columns[0]
    joined = table.join(name, table)
    assert joined.columns[: len(table.columns)] == table.columns
    counts = {value: table.column(name).count(value) for value in table.column(name)}
    assert len(joined) == sum(number**2 for number in counts.values())


def test_it_is_a_sequence_of_dicts():
    assert len(AGES) == 3
    assert AGES[0] == {"id": "E1", "age": "81", "subject_id": "S1"}
    assert AGES[-1]["id"] == "E3"
    assert [row["id"] for row in AGES] == ["E1", "E2", "E3"]
    assert AGES[1:]["id"] == ["E2", "E3"]
    assert isinstance(AGES[:1], Table)
    assert AGES.data == AGES
    with pytest.raises(IndexError):
        AGES[3]


def test_names_that_scripts_for_pyxnat_use():
    assert AGES.headers() == ["id", "age", "subject_id"]
    assert AGES.has_header("age")
    assert AGES.data[0] == AGES[0].data[0]
    assert AGES["age"] == AGES.get("age") == ["81", "9", ""]
    assert AGES.get("id", "*2") == ["E2"]
    assert AGES[["id", "age"]].headers() == ["id", "age"]
    assert AGES[:1].get("id") == "E1"
    assert AGES[:1].get("id", always_list=True) == AGES[:1].column("id") == ["E1"]
    assert AGES.where("S1")["id"] == ["E1", "E3"]
    assert AGES.where("S1", age="81")["id"] == "E1"
    assert AGES.where_not("S1")["id"] == "E2"
    assert AGES.where(lambda row: row["age"] > "8")["id"] == ["E1", "E2"]
    assert AGES.items()[1] == ("E2", "9", "S2")
    assert AGES.as_list()[0] == ["id", "age", "subject_id"]
    assert str(AGES).splitlines()[1] == "E1,81,S1"
    assert Table(AGES.data, ["subject_id"]).headers() == ["subject_id", "id", "age"]


def test_numbers_sort_as_numbers_and_empty_values_come_last():
    assert AGES.order_by("age")["id"] == ["E2", "E1", "E3"]
    assert AGES.order_by("age", descending=True)["id"] == ["E1", "E2", "E3"]
    assert AGES.order_by("subject_id", "age")["id"] == ["E1", "E3", "E2"]


def test_join():
    sexes = Table([{"subject_id": "S1", "sex": "F", "age": "x"}])
    assert AGES.join("subject_id", sexes).as_list() == [
        ["id", "age", "subject_id", "sex", "age_2"],
        ["E1", "81", "S1", "F", "x"],
        ["E3", "", "S1", "F", "x"],
    ]
    assert AGES.join("subject_id", sexes, how="left")["sex"] == ["F", "", "F"]
    with pytest.raises(UsageError, match="no way to join"):
        AGES.join("id", AGES, how="outer")


def test_columns_are_found_by_the_field_that_was_asked_for():
    table = Table([{"age": "81", "xnat_subjectdata_gender": "F"}])
    assert table.get("xnat:mrSessionData/AGE") == "81"
    assert table.get("xnat:subjectData/GENDER") == "F"
    with pytest.raises(UsageError, match="did you mean 'age'"):
        table.get("agee")


def test_files(tmp_path):
    AGES.dump_csv(tmp_path / "a.csv", delimiter=";")
    AGES.dump_json(str(tmp_path / "a.json"))
    assert Table.from_csv(tmp_path / "a.csv", delimiter=";") == AGES
    assert Table.from_json(tmp_path / "a.json") == AGES
    for wrong in ("{", "{}", "[1]"):
        with pytest.raises(UsageError):
            Table.from_json(wrong)
    with pytest.raises(UsageError, match="one name"):
        Table.from_csv("a,a\n1,2\n")


def test_pandas():
    pytest.importorskip("pandas")
    frame = AGES.to_pandas()
    assert list(frame.columns) == AGES.headers()
    assert frame["id"].tolist() == ["E1", "E2", "E3"]
    assert list(Table([], ["a"]).to_pandas().columns) == ["a"]


def test_without_pandas_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(UsageError, match="pip install pandas"):
        AGES.to_pandas()


def test_shown_in_a_notebook_without_being_taken_for_markup():
    assert "&lt;b&gt;" in Table([{"a": "<b>"}])._repr_html_()
    assert "3 rows" in repr(AGES)
