"""Tables under pyxnat's names."""

import nipype_xnat as pyxnat
from nipype_xnat.search import Table

ROWS = [{"a": "1", "b": "x, y"}, {"a": "2", "b": 'says "z"'}]


def test_rows_of_a_csv():
    text = Table(ROWS).dumps_csv()
    assert pyxnat.jsonutil.csv_to_json(text) == pyxnat.jsonutil.csv_to_json(text.encode()) == ROWS


def test_a_table_by_pyxnat_s_name():
    table = pyxnat.jsonutil.JsonTable(ROWS, ["b", "a"])
    assert list(table.headers()) == ["b", "a"]
    assert table.as_list()[0] == ["b", "a"]
    assert table.where(a="2").data == [{"b": 'says "z"', "a": "2"}]
    assert table[["a"]].data == [{"a": "1"}, {"a": "2"}]
    assert table.where("1").get("a", always_list=True) == ["1"]
    assert table.where("1")["a"] == "1"
