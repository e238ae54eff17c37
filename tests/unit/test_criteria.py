"""Search criteria: two spellings, one tree, one document."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nipype_xnat.errors import CriteriaError
from nipype_xnat.search import Criteria, Criterion, F, Query, parse
from nipype_xnat.search.document import build

AGE = Criterion("xnat:mrSessionData/AGE", ">", "80")
HAND = Criterion("xnat:subjectData/HANDEDNESS", "=", "left")
XDAT = "{http://nrg.wustl.edu/security}"


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("xnat:mrSessionData/AGE > 80", Criteria("AND", (AGE,))),
        ("xnat:mrSessionData/AGE>80", Criteria("AND", (AGE,))),
        ("xnat:mrSessionData/AGE > 80 AND", Criteria("AND", (AGE,))),  # pyxnat's reversed order
        ([("xnat:mrSessionData/AGE", ">", "80"), "AND"], Criteria("AND", (AGE,))),
        ([("xnat:mrSessionData/AGE", ">", 80)], Criteria("AND", (AGE,))),
        (
            "xnat:mrSessionData/AGE > 80 and xnat:subjectData/HANDEDNESS = left",
            Criteria("AND", (AGE, HAND)),
        ),
        (
            "xnat:mrSessionData/AGE > 80 xnat:subjectData/HANDEDNESS = left OR",
            Criteria("OR", (AGE, HAND)),
        ),
        (
            "xnat:mrSessionData/AGE > 80 and (xnat:mrSessionData/AGE > 80 or "
            "xnat:subjectData/HANDEDNESS = 'left')",
            Criteria("AND", (AGE, Criteria("OR", (AGE, HAND)))),
        ),
    ],
)
def test_spellings(text, tree):
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ([], "empty"),
        ("AGE > 80", "not a field"),
        ("xnat:a/B ~ 3", "not a comparison"),
        ("xnat:a/B =", "missing"),
        ("xnat:a/B = 1 xnat:a/C = 2", "cannot read"),
        ("(xnat:a/B = 1", "missing"),
        ([("xnat:a/B", "=", "1"), ("xnat:a/B", "=", "2")], "no word that joins"),
        ([("xnat:a/B", "=", "1"), "AND", "OR"], "AND and OR in one list"),
        ([("xnat:a/B", "=", "1"), "XOR"], "joins nothing"),
        (80, "not int"),
        ([("xnat:a/B", "="), "AND"], "a comparison is a tuple of three"),
    ],
)
def test_mistakes_are_told(text, said):
    with pytest.raises(CriteriaError, match=said):
        parse(text)


def test_one_comparison_needs_no_list():
    assert parse(("xnat:a/B", ">", "1")) == parse([("xnat:a/B", ">", "1"), "AND"])


def test_an_expression_without_parentheses_is_told():
    with pytest.raises(CriteriaError, match="put each comparison in parentheses"):
        _ = F("xnat:a/B") > 60 & (F("xnat:a/C") == "F")


VALUES = st.text(
    st.characters(exclude_categories=("C", "Z"), exclude_characters="\"'*"), min_size=1, max_size=12
)
CRITERIA = st.recursive(
    st.builds(
        Criterion,
        st.sampled_from(["xnat:mrSessionData/AGE", "xnat:subjectData/SUB_PROJECT_IDENTIFIER=P"]),
        st.sampled_from(["=", "!=", "<", ">=", "LIKE"]),
        VALUES,
    )
    | st.builds(Criterion, st.just("xnat:subjectData/SES"), st.sampled_from(["IS NULL"])),
    lambda inner: st.builds(
        Criteria, st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=2, max_size=3).map(tuple)
    ),
    max_leaves=8,
).map(lambda tree: tree if isinstance(tree, Criteria) else Criteria("AND", (tree,)))


@given(CRITERIA)
def test_tuples_read_back_the_same(tree):
    assert parse(tree.to_tuples()) == tree


@given(CRITERIA)
def test_the_document_holds_every_comparison_with_its_value(tree):
    document = ET.fromstring(build("xnat:mrSessionData", ["xnat:mrSessionData/LABEL"], tree))
    written = [
        tuple(entry.findtext(XDAT + name) or "" for name in ("schema_field", "comparison_type"))
        + (entry.findtext(XDAT + "value") or "",)
        for entry in document.iter(XDAT + "criteria")
    ]
    assert sorted(written) == sorted((c.field, c.operator, c.value) for c in tree)
    assert document.find(XDAT + "search_where").get("method") == tree.method


ANY_VALUE = st.sampled_from(
    ["[", "]", "(", ")", "'", '"', "=", "<", "and", "OR", "null", ","]
) | st.text(st.characters(exclude_categories=("C", "Zl", "Zp"), exclude_characters="*"))
FREE = st.recursive(
    st.builds(
        Criterion,
        st.sampled_from(
            [
                "xnat:mrSessionData/AGE",
                "xnat:subjectData/SUB_PROJECT_IDENTIFIER=P",
                "xnat:subjectData/fields/field[name='a\"b']/field",
            ]
        ),
        st.sampled_from(["=", "!=", "<", ">=", "LIKE", "IN"]),
        ANY_VALUE.filter(str.isprintable),
    )
    | st.builds(
        Criterion, st.just("xnat:subjectData/SES"), st.sampled_from(["IS NULL", "IS NOT NULL"])
    )
    | st.builds(
        Criterion,
        st.just("xnat:subjectData/SES"),
        st.just("BETWEEN"),
        st.tuples(VALUES, VALUES).map(" AND ".join),
    ),
    lambda inner: st.builds(
        Criteria, st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=1, max_size=3).map(tuple)
    ),
    max_leaves=6,
).map(lambda tree: tree if isinstance(tree, Criteria) else Criteria("AND", (tree,)))


@given(FREE)
def test_text_reads_back_the_same(tree):
    assert parse(str(tree)) == tree.simplified()


@given(FREE)
def test_the_document_reads_back_the_same(tree):
    query = Query("xnat:mrSessionData", ("xnat:mrSessionData/LABEL",), tree, name="n", users=("a",))
    assert Query.from_xml(query.to_xml()) == query


@given(FREE)
def test_tuples_text_and_document_agree(tree):
    text = parse(str(parse(tree.to_tuples())))
    assert Query.from_xml(Query("xnat:a", (), text).to_xml()).criteria == tree.simplified()


def test_expressions():
    age, hand = F("xnat:mrSessionData/AGE"), F("xnat:subjectData/HANDEDNESS")
    assert parse(age > 80) == Criteria("AND", (AGE,))
    assert parse((age > 80) & (hand == "left")) == Criteria("AND", (AGE, HAND))
    assert parse((age > 80) & ((age > 80) | (hand == "left"))) == Criteria(
        "AND", (AGE, Criteria("OR", (AGE, HAND)))
    )
    assert parse([age > 80, hand == "left", "OR"]) == Criteria("OR", (AGE, HAND))
    assert str(~((age > 80) & (hand == "left"))) == (
        "xnat:mrSessionData/AGE <= 80 or xnat:subjectData/HANDEDNESS != left"
    )
    assert str(~parse("xnat:a/B BETWEEN 1 AND 5")) == "(xnat:a/B < 1 or xnat:a/B > 5)"
    assert ~~(age > 80) == (age > 80)
    assert str(age.is_in([1, 2])) == "xnat:mrSessionData/AGE = 1 or xnat:mrSessionData/AGE = 2"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda age: 20 < age < 30,
        lambda age: (age > 20) and (age < 30),
        lambda age: (age > 20) & "x",
        lambda age: age == None,  # noqa: E711
        lambda age: age.is_in([]),
        lambda age: age > "a\nb",
        lambda age: F("AGE") > 1,
        lambda age: parse("xnat:a/B BETWEEN 1"),
        lambda age: Query.from_xml("<a/>"),
        lambda age: Query.from_xml("no"),
    ],
)
def test_expressions_that_cannot_be_meant(wrong):
    with pytest.raises(CriteriaError):
        wrong(F("xnat:mrSessionData/AGE"))


@pytest.mark.parametrize(
    "field",
    [
        "xnat:subjectData/fields/field[name=iq]/field",
        "xnat:subjectData/fields/field[name='iq']/field",
        "xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/weight",
    ],
)
def test_a_predicate_is_part_of_its_field(field):
    assert parse(f"{field} > 100 and {field} < 110") == parse(
        [(field, ">", "100"), (field, "<", "110"), "AND"]
    )
