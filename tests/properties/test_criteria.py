"""Laws of criteria: one tree, however it is spelt, and ``~`` turns it around."""

import datetime
import operator
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from nipype_xnat.search import Criteria, Criterion, F, Query, parse

AGE, DATE, NOTE = "xnat:mrSessionData/AGE", "xnat:mrSessionData/DATE", "xnat:subjectData/NOTE"
XDAT = "{http://nrg.wustl.edu/security}"
SIGNS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
# the search document is XML: line ends and control characters are refused before that
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=("C", "Zl", "Zp"))).filter(str.isprintable),
    st.text("<>&\"'()=!% ,", max_size=8),
    st.sampled_from(["AND", "or", "x AND y", "NULL", "LIKE", "", " "]),
)
VALUES = st.one_of(TEXTS, st.integers(), st.dates(), st.floats(-1e6, 1e6))


def quoted(value):
    return '"' + str(value).replace('"', '""') + '"'


@st.composite
def comparisons(draw):
    """Draw one comparison as an expression, as a text and as tuples."""
    field = draw(st.sampled_from([AGE, DATE, NOTE]))
    kind = draw(st.sampled_from([*SIGNS, "LIKE", "null", "not null", "in", "between"]))
    if kind in SIGNS:
        value = draw(VALUES)
        return SIGNS[kind](F(field), value), f"{field} {kind} {quoted(value)}", (field, kind, value)
    if kind == "LIKE":
        pattern = draw(TEXTS)
        return F(field).like(pattern), f"{field} like {quoted(pattern)}", (field, "LIKE", pattern)
    if kind == "null":
        return F(field).is_null(), f"{field} is null", (field, "IS NULL", "")
    if kind == "not null":
        return F(field).is_not_null(), f"{field} IS NOT NULL", (field, "IS NOT NULL", "")
    if kind == "in":
        values = draw(st.lists(VALUES, min_size=2, max_size=3))
        text = " or ".join(f"{field} = {quoted(value)}" for value in values)
        tuples = [*((field, "=", value) for value in values), "OR"]
        return F(field).is_in(values), f"({text})", tuples
    low, high = draw(st.tuples(st.dates(), st.dates()))
    text = f"({field} >= {low} and {field} <= {high})"
    return F(field).between(low, high), text, [(field, ">=", low), (field, "<=", high), "AND"]


def joined(word, parts):
    expressions, texts, tuples = zip(*parts, strict=True)
    whole = expressions[0]
    for expression in expressions[1:]:
        whole = whole & expression if word == "AND" else whole | expression
    return whole, "(" + f" {word.lower()} ".join(texts) + ")", [*tuples, word]


SPELLINGS = st.recursive(
    comparisons(),
    lambda inner: st.builds(
        joined, st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=2, max_size=3)
    ),
    max_leaves=6,
)


def flat(tree):
    """Return a tree without joints inside joints of the same word: ``&`` makes none."""
    if isinstance(tree, Criterion):
        return tree
    members = []
    for member in map(flat, tree.members):
        same = isinstance(member, Criteria) and member.method == tree.method
        members += member.members if same else [member]
    return Criteria(tree.method, tuple(members))


@given(SPELLINGS)
def test_expressions_texts_and_tuples_are_one_tree(spelling):
    expression, text, tuples = spelling
    trees = [parse(expression), parse(text), parse([tuples] if type(tuples) is tuple else tuples)]
    assert flat(trees[0]) == flat(trees[1]) == flat(trees[2])
    # and each of them reads back from its text, its tuples and its document
    for tree in trees:
        assert parse(str(tree)) == tree.simplified()
        assert parse(tree.to_tuples()) == tree
        document = Query("xnat:mrSessionData", (AGE,), tree).to_xml()
        assert Query.from_xml(document).criteria == tree


@given(TEXTS.filter(lambda text: "*" not in text))
def test_a_value_stands_in_the_document_as_it_was_given(text):
    document = ET.fromstring(Query("xnat:subjectData", (NOTE,), parse(F(NOTE) == text)).to_xml())
    assert [node.text or "" for node in document.iter(XDAT + "value")] == [text]
    (criterion,) = parse(f"{NOTE} = {quoted(text)}")
    assert criterion.value == text


def holds(tree, ages):
    if isinstance(tree, Criteria):
        found = [holds(member, ages) for member in tree.members]
        return all(found) if tree.method == "AND" else any(found)
    if tree.operator == "BETWEEN":
        low, high = tree.value.split(" AND ")
        return int(low) <= ages[tree.field] <= int(high)
    if tree.operator == "IN":
        return str(ages[tree.field]) in tree.value.split(",")
    if tree.operator in ("IS NULL", "IS NOT NULL"):
        return tree.operator == "IS NOT NULL"
    return SIGNS[tree.operator](ages[tree.field], int(tree.value))


NUMBERS = st.integers(0, 5)
DECIDABLE = st.recursive(
    st.one_of(
        st.builds(
            Criterion, st.sampled_from([AGE, NOTE]), st.sampled_from([*SIGNS]), NUMBERS.map(str)
        ),
        st.builds(Criterion, st.just(AGE), st.sampled_from(["IS NULL", "IS NOT NULL"])),
        st.builds("{} AND {}".format, NUMBERS, NUMBERS).map(
            lambda value: Criterion(AGE, "BETWEEN", value)
        ),
        st.lists(NUMBERS.map(str), min_size=1, max_size=3).map(
            lambda values: Criterion(AGE, "IN", ",".join(values))
        ),
    ),
    lambda inner: st.builds(
        Criteria, st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=1, max_size=3).map(tuple)
    ),
    max_leaves=6,
)


@given(DECIDABLE, NUMBERS, NUMBERS)
def test_what_is_turned_holds_exactly_where_it_did_not(tree, age, note):
    values = {AGE: age, NOTE: note}
    assert holds(~tree, values) is not holds(tree, values)
    assert holds(parse(tree).simplified(), values) is holds(tree, values)


@given(st.dates())
def test_dates_are_written_as_xnat_keeps_them(day):
    (criterion,) = parse(F(DATE) >= day)
    assert datetime.date.fromisoformat(criterion.value) == day
