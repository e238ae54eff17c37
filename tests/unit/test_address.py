"""Addresses: quoted once, and refused where XNAT would refuse them."""

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nipype_xnat.address import Address, is_addressable, is_plain_label
from nipype_xnat.errors import UsageError

NAMES = st.text(
    st.characters(exclude_categories=("C", "Z"), exclude_characters="%/\\;"), min_size=1
).filter(lambda name: name not in (".", ".."))


@given(st.lists(NAMES, min_size=1, max_size=5))
def test_what_is_quoted_reads_back(names):
    address = Address.of("data", *names)
    assert [unquote(part) for part in address.path.split("/")[1:]] == ["data", *names]
    assert urlsplit("http://host" + str(address)).path == address.path


@given(st.dictionaries(NAMES, st.text(max_size=20), max_size=4))
def test_a_query_reads_back(values):
    address = Address.of("data").ask(values)
    assert dict(Address.parse(str(address)).query) == values


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a%b", "a;b", "a\\b", "a\nb", "a\x00b"])
def test_names_that_xnat_refuses_are_refused_before_any_request(name):
    assert not is_addressable(name)
    with pytest.raises(UsageError, match="cannot be part of an address"):
        Address.of("data", "projects", name)


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("two words.nii", "two%20words.nii"),
        ("a#b?c", "a%23b%3Fc"),
        ("é", "%C3%A9"),
        ("a+b", "a+b"),
        ("E1,E2", "E1,E2"),
        ("[SLASH]", "%5BSLASH%5D"),
    ],
)
def test_quoting(name, quoted):
    assert Address.of(name).path == "/" + quoted


def test_a_plus_beside_a_blank_is_quoted_in_file_names_only():
    resource = Address.of("data", "projects", "P", "resources", "a+b", "files")
    assert str(resource.file("a+b/c")).endswith("/a+b/files/a+b/c")
    assert str(resource.file("a+b/c d")).endswith("/a+b/files/a%2Bb/c%20d")


def test_parameter_names_hide_what_would_end_them():
    text = str(Address.of("x").ask({"xnat:subjectData/fields/field[name=iq]/field": "a=b&c"}))
    assert text == "/x?xnat:subjectData/fields/field%5Bname%3Diq%5D/field=a%3Db%26c"


@pytest.mark.parametrize(
    ("label", "plain"),
    [("NIFTI", True), ("a-b_c.d", True), ("two words", False), ("a,b", False), ("é", False)],
)
def test_labels_that_pass_a_path(label, plain):
    assert is_plain_label(label) is plain
