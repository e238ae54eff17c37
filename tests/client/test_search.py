"""Searches over HTTP: tables, checks before sending, order, pages."""

import pytest

from nipype_xnat import F
from nipype_xnat.errors import BadRequest, CriteriaError, UsageError
from nipype_xnat.search import Query, Table
from support.listening import Listening

MR = "xnat:mrSessionData"
COLUMNS = [f"{MR}/SESSION_ID", f"{MR}/LABEL", f"{MR}/AGE", "xnat:subjectData/GENDER"]


def fill_aged(fill):
    """Make five sessions of people of 20, 30, ... 60 years."""
    fill.put("/data/projects/P")
    for number in range(2, 7):
        subject = f"/data/projects/P/subjects/S{number}"
        gender = "female" if number % 2 else "male"
        fill.put(subject, dob=f"{2020 - 10 * number}-01-01", gender=gender)
        fill.put(f"{subject}/experiments/M{number}", xsiType=MR, date="2020-06-01")


@pytest.fixture
def aged(client, hold):
    """Five sessions of people of 20, 30, ... 60 years."""
    hold(fill_aged)
    return client


def counted(client):
    client._transport = Listening(client._transport)
    return client._transport.asked


def test_a_search_gives_a_table(aged):
    table = aged.select(MR, COLUMNS).where(f"{MR}/AGE > 35", order_by=f"{MR}/AGE")
    assert isinstance(table, Table)
    assert table["label"] == ["M4", "M5", "M6"]
    assert table.get(f"{MR}/AGE") == ["40", "50", "60"]
    assert table.where(age=50)[0]["label"] == "M5"
    assert aged.select(MR, COLUMNS).all(order_by=f"{MR}/LABEL", descending=True)["label"] == [
        "M6",
        "M5",
        "M4",
        "M3",
        "M2",
    ]


def test_three_spellings_find_the_same(aged):
    search = aged.select(MR, [f"{MR}/LABEL"])
    age, gender = F(f"{MR}/AGE"), F("xnat:subjectData/GENDER_TEXT")
    found = search.where((age > 35) & (gender == "F"))
    assert found["label"] == "M5"
    assert found == search.where(f"{MR}/AGE > 35 and xnat:subjectData/GENDER_TEXT = F")
    assert found == search.where(
        [(f"{MR}/AGE", ">", "35"), ("xnat:subjectData/GENDER_TEXT", "=", "F"), "AND"]
    )
    assert sorted(search.where(~((age > 35) & (gender == "F")))["label"]) == [
        "M2",
        "M3",
        "M4",
        "M6",
    ]
    assert sorted(search.where(age.between(30, 40) | age.is_in([60]))["label"]) == [
        "M3",
        "M4",
        "M6",
    ]
    assert aged.select("//subjects").where(age > 55).get("label") == ["S6"]


def test_patterns_and_their_contrary(aged):
    label = F(f"{MR}/LABEL")
    search = aged.select(MR, [f"{MR}/LABEL"])
    assert search.where(label.like("*3"))["label"] == "M3"
    assert sorted(search.where(~label.like("*3"))["label"]) == ["M2", "M4", "M5", "M6"]
    assert len(search.where(label.is_null())) == 0
    assert len(search.where(~label.is_null())) == 5


def test_an_empty_answer_has_its_columns(aged):
    table = aged.select(MR, COLUMNS).where(f"{MR}/AGE > 99")
    assert len(table) == 0
    assert table.headers() == ["session_id", "label", "age", "xnat_subjectdata_gender"]
    assert table["label"] == []


def test_misspelt_fields_are_told_before_the_search_is_sent(aged):
    asked = counted(aged)
    with pytest.raises(CriteriaError, match=f"did you mean {MR}/AGE"):
        aged.select(MR, [f"{MR}/LABEL"]).where(f"{MR}/AGEE > 3")
    with pytest.raises(CriteriaError, match=f"did you mean {MR}/LABEL"):
        aged.select(MR, [f"{MR}/LABLE"]).all()
    with pytest.raises(CriteriaError, match=f"did you mean '{MR}'"):
        aged.select("xnat:mrSesionData", ["xnat:mrSesionData/LABEL"]).all()
    with pytest.raises(CriteriaError, match="not a column"):
        aged.select(MR, ["LABEL"]).all()
    assert not [line for line in asked if line.startswith("POST")]


def test_fields_are_asked_once_a_connection(aged):
    asked = counted(aged)
    for _ in range(3):
        aged.select(MR, [f"{MR}/LABEL"]).all()
    assert sum("search/elements" in line for line in asked) == 1


def test_xpaths_pass_and_what_the_server_drops_is_told(aged):
    table = aged.select(MR, [f"{MR}/LABEL", f"{MR}/date"]).all()
    assert set(table["date"]) == {"2020-06-01"}
    with pytest.raises(BadRequest, match=f"(?s)dropped the column.*did you mean {MR}/DATE"):
        aged.select(MR, [f"{MR}/LABEL", f"{MR}/dat"]).all()
    with pytest.raises(BadRequest, match=f"(?s)search engine failed.*did you mean {MR}/AGE"):
        aged.select(MR, [f"{MR}/LABEL"]).where(f"{MR}/agee > 3")


def test_a_selection_that_the_engine_refuses_says_what_was_misspelt(aged):
    with pytest.raises(BadRequest, match=f"did you mean {MR}/AGE"):
        aged.select("//subjects").where(f"{MR}/AGEE > 3").get()


def test_pages(aged):
    asked = counted(aged)
    search = aged.select(MR, [f"{MR}/LABEL", f"{MR}/AGE"])
    pages = list(search.pages(size=2, order_by=f"{MR}/AGE"))
    assert [page.column("label") for page in pages] == [["M2", "M3"], ["M4", "M5"], ["M6"]]
    assert sum(line.startswith("POST") for line in asked) == 1
    assert [len(page) for page in search.pages(f"{MR}/AGE > 99")] == [0]
    labels = [label for page in search.pages(size=3) for label in page.column("label")]
    assert sorted(labels) == ["M2", "M3", "M4", "M5", "M6"]
    with pytest.raises(UsageError):
        next(search.pages(size=0))


def test_rows_arrive_one_by_one(aged):
    rows = aged.select(MR, [f"{MR}/LABEL"]).rows(f"{MR}/AGE > 25")
    assert next(rows)["label"] == "M3"
    assert len(list(rows)) == 3


def test_the_document_is_what_was_asked(aged):
    text = aged.select(MR, COLUMNS).to_xml(F(f"{MR}/AGE") > 80)
    query = Query.from_xml(text)
    assert (query.root, query.columns) == (MR, tuple(COLUMNS))
    assert str(query.criteria) == f"{MR}/AGE > 80"


def test_a_search_without_columns_tells_all_fields(aged):
    search = aged.select(MR)
    asked = counted(aged)
    table = search.where(f"{MR}/AGE > 35")
    assert table.get(f"{MR}/LABEL") == ["M4", "M5", "M6"]
    assert list(search.columns) == aged.inspect.datatypes(MR)
    assert [entry.split("?")[0] for entry in asked[:2]] == [
        f"GET /data/search/elements/{MR}",
        "POST /data/search",
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        [("xnat:mrSessionData/AGE", "~", "3"), "AND"],
        [("xnat:mrSessionData/AGE", ">"), "AND"],
        [("AGE", ">", "3"), "AND"],
        [("xnat:mrSessionData/AGE", ">", "3"), "XOR"],
        [("xnat:mrSessionData/AGE", ">", "3"), ("xnat:mrSessionData/AGE", "<", "9")],
        [("xnat:mrSessionData/AGE", ">", "3"), "AND", "OR"],
        [[], "AND"],
        "xnat:mrSessionData/AGE > 3 and (xnat:mrSessionData/AGE < 9",
        "xnat:mrSessionData/AGE > 3)",
        "AGE > 3",
        "xnat:mrSessionData/AGE between 3",
        "",
        17,
    ],
)
def test_criteria_of_a_wrong_structure_are_refused_before_any_request(aged, wrong):
    asked = counted(aged)
    for selectable in (aged.select("//experiments"), aged.select(MR, COLUMNS)):
        with pytest.raises(CriteriaError):
            selectable.where(wrong)
    assert asked == []
