"""A record is a value, however it was made and whatever its further columns are kept as."""

import copy
import pickle

import pytest

from nipype_xnat.records import Columns, Header, Record

HEADER = Header(["ID", "label", "xnat:imageScanData/quality"])
LAZY = Columns(HEADER, ("E1", "S_MR1", "usable"))
PAIRS = (("ID", "E1"), ("label", "S_MR1"), ("xnat:imageScanData/quality", "usable"))


def test_columns_are_their_pairs():
    assert LAZY == PAIRS and PAIRS == LAZY and Columns(HEADER, list(LAZY.cells)) == LAZY
    assert PAIRS[:2] != LAZY and LAZY != "E1"
    assert hash(LAZY) == hash(PAIRS)
    assert (len(LAZY), LAZY[1], LAZY[-1], LAZY[1:]) == (3, PAIRS[1], PAIRS[2], PAIRS[1:])
    assert repr(LAZY) == repr(PAIRS)
    assert dict(LAZY) == dict(PAIRS)


def test_columns_of_a_short_row():
    short = Columns(HEADER, ("E1",))
    assert short == PAIRS[:1]
    assert short.value("label") == "" and short.value("ID") == "E1"


@pytest.mark.parametrize("fields", [LAZY, PAIRS], ids=["lazy", "pairs"])
def test_further_columns_are_found_by_name_in_any_case(fields):
    record = Record(experiment_id="E1", fields=fields)
    assert record.field("XNAT:imagescandata/QUALITY") == "usable"
    assert record.field("nothing") == ""
    assert record.column_names == {"id", "label", "xnat:imagescandata/quality"}


def test_a_record_is_the_same_however_it_was_made():
    values = {"project": "P", "experiment_id": "E1", "size": 3}
    made = Record(**values, fields=PAIRS)
    of = Record.of({**values, "fields": LAZY})
    changed = Record.of({**values, "project": "Q"}).with_values(project="P", fields=LAZY)
    for other in (of, changed, copy.deepcopy(of), pickle.loads(pickle.dumps(of))):
        assert other == made
        assert hash(other) == hash(made)
        assert repr(other) == repr(made)
        assert other.to_dict() == made.to_dict()
        assert Record.from_dict(other.to_dict()) == made
    assert type(pickle.loads(pickle.dumps(of)).fields) is tuple
    assert (of.path, of.digest, of.prearchive) == ("", "", "")


def test_a_copy_leaves_the_first_as_it_was():
    record = Record.of({"project": "P"})
    assert record.with_values(project="Q", path="a") == Record(project="Q", path="a")
    assert record == Record(project="P")


@pytest.mark.parametrize(
    "make", [lambda: Record.of({"projekt": "P"}), lambda: Record().with_values(projekt="P")]
)
def test_a_record_has_no_other_values(make):
    with pytest.raises(TypeError, match="projekt"):
        make()
