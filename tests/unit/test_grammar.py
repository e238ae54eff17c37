"""The select language: all forms read, all mistakes told, no traffic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nipype_xnat.errors import SelectSyntaxError
from nipype_xnat.levels import LEVELS
from nipype_xnat.select.grammar import Filter, Path, Pattern, Step, parse


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("/projects", "/projects/*"),
        ("/projects/*", "/projects/*"),
        ("projects/P", "/project/P"),
        ("/project/P/", "/project/P"),
        ("/projects/subjects", "/projects/*/subjects/*"),
        ("/projects/P/subject/*01/experiments", "/project/P/subjects/*01/experiments/*"),
        ("/project/P/experiments/E/scan/1", "/project/P/experiment/E/scan/1"),
        ("//experiments", "/projects/*/subjects/*/experiments/*"),
        ("//scans/3", "/projects/*/subjects/*/experiments/*/scan/3"),
        ("/projects/P//scans", "/project/P/subjects/*/experiments/*/scans/*"),
        (
            "/projects/P/subjects/S/experiments/E/assessors/A/out_resources/files",
            "/project/P/subject/S/experiment/E/assessor/A/out_resources/*/files/*",
        ),
        (
            "/experiments/E/assessors/A/out/resources/R/files",
            "/experiment/E/assessor/A/out_resource/R/files/*",
        ),
        ("/projects/P/resources/R/files/a/b c.nii", '/project/P/resource/R/file/"a/b c.nii"'),
        ("/projects/P/resources/R/files/sub/*.nii", '/project/P/resource/R/files/"sub/*.nii"'),
        ("/projects/P/resources/'a[b]'/files", '/project/P/resource/"a[b]"/files/*'),
    ],
)
def test_forms(text, meant):
    (path,) = parse(text)
    if '"sub/*.nii"' not in meant:  # a quoted star would be literal
        assert str(path) == meant
    else:
        assert path.steps[-1].pattern == Pattern("sub/*.nii")


def test_two_slashes_find_each_way_down_once():
    ways = [str(path) for path in parse("//resources/R")]
    assert len(ways) == len(set(ways)) == 5
    assert "/projects/*/resource/R" in ways
    assert "/projects/*/subjects/*/experiments/*/scans/*/resource/R" in ways


def test_filters():
    (path,) = parse(
        "/projects/P/experiments/*[date>=2020-01-01][xsiType=xnat:mrSessionData]/scans/"
        '*[type="T1w/MPRAGE, sag",T2*][quality!=unusable]'
    )
    experiment, scan = path.steps[1:]
    assert experiment.filters == (
        Filter("date", ">=", (Pattern("2020-01-01"),)),
        Filter("xsiType", "=", (Pattern("xnat:mrSessionData"),)),
    )
    assert scan.filters[0] == Filter(
        "type", "=", (Pattern("T1w/MPRAGE, sag", literal=True), Pattern("T2*"))
    )
    assert scan.filters[0].accepts("T1w/MPRAGE, sag")
    assert scan.filters[0].accepts("T2 flair")
    assert not scan.filters[0].accepts("T1w")
    assert scan.filters[1].accepts("usable") and not scan.filters[1].accepts("unusable")


def test_a_filter_on_a_custom_variable_may_have_brackets_of_its_own():
    (path,) = parse("/experiments/*[xnat:experimentData/fields/field[name=iq]/field>100]")
    (condition,) = path.steps[0].filters
    assert condition.field == "xnat:experimentData/fields/field[name=iq]/field"
    assert condition.accepts("101") and not condition.accepts("99") and not condition.accepts("")


@pytest.mark.parametrize(
    ("operator", "value", "yes", "no"),
    [
        (">", "9", "10", "9"),  # as numbers, not as text
        ("<", "2020-05-01", "2020-04-30", "2020-05-01"),
        ("<=", "5", "5.0", "5.1"),
        (">=", "b", "b", "a"),
    ],
)
def test_comparisons(operator, value, yes, no):
    condition = Filter("x", operator, (Pattern(value),))
    assert condition.accepts(yes) and not condition.accepts(no)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("/x", "not a level"),
        ("/subjects/S", "cannot start"),
        ("/projects/P/scans", "scans are not directly below a project"),
        ("/projects/P//", "cannot end"),
        ("/projects/P/subjects/*[gender]", "cannot read the filter"),
        ("/projects/P/subjects/*[gender=", "cannot read the path"),
        ("/projects/P/subjects/*[age<1,2]", "takes one value"),
        ("/projects/P/subjects/'S", "cannot read the path"),
        ("/projects/P/subjects/S[a=b]x", "cannot read the path"),
    ],
)
def test_mistakes_are_told(text, said):
    with pytest.raises(SelectSyntaxError, match=said):
        parse(text)


NAMES = st.text(
    st.characters(exclude_categories=("C", "Z"), exclude_characters="\"'"), min_size=1
).filter(lambda name: name.strip() == name)
FILTERS = st.builds(
    Filter,
    st.sampled_from(["type", "date", "xnat:mrScanData/quality"]),
    st.sampled_from(["=", "!="]),
    st.lists(st.builds(Pattern, NAMES, st.just(True)), min_size=1, max_size=3).map(tuple),
)


@given(
    st.builds(Pattern, NAMES, st.just(True)),
    st.lists(FILTERS, max_size=2).map(tuple),
    st.builds(Pattern, NAMES, st.just(True)),
)
def test_a_path_that_is_written_reads_back_the_same(name, filters, file):
    path = Path(
        (
            Step("project", name),
            Step("experiment", name),
            Step("scan", name, filters),
            Step("resource", name),
            Step("file", file),
        )
    )
    (again,) = parse(str(path))
    for step, other in zip(path.steps, again.steps, strict=True):
        assert step.level == other.level
        assert step.pattern.text == other.pattern.text
        assert other.pattern.exact
        assert [f.values[0].text for f in step.filters] == [f.values[0].text for f in other.filters]


@given(st.text(max_size=60))
def test_any_text_is_a_path_or_a_clear_error(text):
    try:
        paths = parse(text)
    except SelectSyntaxError:
        return
    assert all(step.level in LEVELS for path in paths for step in path.steps)


@given(NAMES, NAMES)
def test_a_literal_pattern_matches_only_itself(name, other):
    assert Pattern(name, literal=True).matches(name)
    assert Pattern(name, literal=True).matches(other) is (name == other)
