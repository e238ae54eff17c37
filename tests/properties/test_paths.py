"""Laws of select paths: what is written reads back, and names stay names."""

from hypothesis import given
from hypothesis import strategies as st

from nipype_xnat import Interface
from nipype_xnat.levels import LEVELS
from nipype_xnat.select.grammar import ANY, Filter, Path, Pattern, Step, parse

# anything but line ends and what no name may hold; words of levels are names like others
NAMES = st.one_of(
    st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), min_size=1, max_size=12),
    st.text("\"'[]/*?,=<>! a", min_size=1, max_size=8),
    st.sampled_from([word for level in LEVELS.values() for word in (level.name, level.plural)]),
    st.sampled_from(["in", "out", "..", "%2e", "a b", "a+b", "a#b?c", "é", "東京"]),
).filter(str.strip)
WILD = st.text("ab01_.*?", min_size=1, max_size=6)
PATTERNS = st.one_of(
    st.just(ANY), st.builds(Pattern, WILD), st.builds(Pattern, NAMES, st.just(True))
)
FIELDS = st.sampled_from(["type", "date", "xnat:a/fields/field[name=iq]/field"])
VALUES = st.builds(
    Pattern, st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), max_size=8), st.just(True)
)
FILTERS = st.one_of(
    st.builds(
        Filter,
        FIELDS,
        st.sampled_from(["=", "!="]),
        st.lists(st.one_of(VALUES, st.builds(Pattern, WILD)), min_size=1, max_size=3).map(tuple),
    ),
    st.builds(
        Filter, FIELDS, st.sampled_from(["<", ">", "<=", ">="]), VALUES.map(lambda value: (value,))
    ),
)


@st.composite
def paths(draw):
    steps, choices = [], ["project", "experiment"]
    while choices and (not steps or draw(st.booleans())):
        level = draw(st.sampled_from(choices))
        filters = tuple(draw(st.lists(FILTERS, max_size=2)))
        steps.append(Step(level, draw(PATTERNS), filters))
        choices = LEVELS[level].children
    return Path(tuple(steps))


@given(paths())
def test_a_path_of_any_names_and_filters_reads_back(path):
    assert parse(str(path)) == [path]


@given(paths())
def test_plural_and_singular_are_one(path):
    words = {f"/{level.name}/": f"/{level.plural}/" for level in LEVELS.values()}
    text = str(path)
    head = next(word for word in words if text.startswith((word, words[word])))
    assert parse(text.replace(head, words[head], 1)) == [path]


@given(NAMES)
def test_a_quoted_name_matches_itself_alone(name):
    quoted = '"' + name.replace('"', '""') + '"'
    (path,) = parse(f"/projects/{quoted}/subjects")
    assert path.steps[0] == Step("project", Pattern(name, literal=True))
    assert path.steps[0].pattern.matches(name)
    assert not path.steps[0].pattern.matches(name + "x")


PLAIN = st.one_of(
    st.text("ab01_-.", min_size=1, max_size=6), st.sampled_from(["scans", "in", "a b", "a*", "é"])
).filter(lambda name: name.strip() == name)


@st.composite
def plain_paths(draw):
    steps, choices = [], ["project", "experiment"]
    while choices and (not steps or draw(st.booleans())):
        level = draw(st.sampled_from(choices))
        literal = st.builds(Pattern, PLAIN, st.just(True))
        steps.append(Step(level, draw(st.one_of(literal, st.builds(Pattern, WILD)))))
        choices = LEVELS[level].children
    return Path(tuple(steps))


@given(plain_paths())
def test_chains_and_paths_are_one(path):
    select = Interface("http://localhost", anonymous=True).select
    chain = select
    for step in path.steps:
        level = LEVELS[step.level]
        word = level.name if step.pattern.exact else level.plural
        chain = getattr(chain, word)(step.pattern.text)
    found = select(str(path))
    if path.exact:
        assert chain.path == found.path == path
    else:
        assert chain == found
