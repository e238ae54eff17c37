"""Searches and templates that the server keeps, and who may use them."""

import pytest

from nipype_xnat import F, Interface
from nipype_xnat.errors import CriteriaError, NotFound, UsageError
from nipype_xnat.search import Query, Table

SUBJECT = "xnat:subjectData"
COLUMNS = [f"{SUBJECT}/SUBJECT_LABEL", f"{SUBJECT}/PROJECT"]
MEN = [(f"{SUBJECT}/GENDER_TEXT", "=", "M"), "AND"]


@pytest.fixture
def people(client, fill, xnat_archive):
    """Two women and a man, and a second account."""
    fill.put("/data/projects/P")
    for label, gender in (("ann", "female"), ("bea", "female"), ("carl", "male")):
        fill.put(f"/data/projects/P/subjects/{label}", gender=gender)
    xnat_archive.archive.add_user("jane", "secret", admin=False)
    fill.call("PUT", "/data/projects/P/users/Members/jane")
    return client


@pytest.fixture
def jane(people, xnat_archive, tmp_path):
    with Interface(xnat_archive.url, "jane", "secret", cache=tmp_path / "jane") as found:
        yield found


def test_the_search_of_the_article(people):
    searches = people.manage.search
    searches.save("search_name", SUBJECT, COLUMNS, MEN, sharing=["jane"])
    found = searches.get("search_name")
    assert isinstance(found, Table)
    assert found["subject_label"] == "carl"
    assert searches.saved() == ["search_name"]
    searches.delete("search_name")
    assert searches.saved() == []
    with pytest.raises(NotFound, match="none is saved"):
        searches.get("search_name")


def test_the_template_of_the_article(people):
    searches = people.manage.search
    criteria = [(f"{SUBJECT}/GENDER_TEXT", "=", "gender"), "AND"]
    searches.save_template("template_name", SUBJECT, COLUMNS, criteria, description="by gender")
    assert searches.saved() == []
    assert searches.saved_templates(with_description=True) == [("template_name", "by gender")]
    row, columns, constraints, description = searches.get_template("template_name")
    assert (row, columns, description) == (SUBJECT, COLUMNS, "by gender")
    assert constraints == [(f"{SUBJECT}/GENDER_TEXT", "=", "%(gender)s"), "AND"]
    assert searches.use_template("template_name", {"gender": "M"})["subject_label"] == "carl"
    assert sorted(searches.use_template("template_name", {"gender": "F"})["subject_label"]) == [
        "ann",
        "bea",
    ]
    assert len(searches.use_template("template_name", {"gender": "% <x> &"})) == 0
    with pytest.raises(UsageError, match=r"has the keys \['gender'\]"):
        searches.use_template("template_name", {"sex": "M"})
    searches.delete_template("template_name")
    assert searches.saved_templates() == []


def test_forms_of_a_search(people):
    searches = people.manage.search
    searches.save("men & more", SUBJECT, COLUMNS, F(f"{SUBJECT}/GENDER_TEXT") == "M", "public", "d")
    query = searches.get("men & more", "query")
    assert query == {
        "row": SUBJECT,
        "columns": COLUMNS,
        "constraints": MEN,
        "users": ["admin"],
        "description": "d",
    }
    assert Query.from_xml(searches.get("men & more", "xml")).name == "men & more"
    assert searches.get("men___more") == searches.get("men & more")
    searches.save("men & more", SUBJECT, COLUMNS)  # replaced
    assert len(searches.get("men & more")) == 3
    with pytest.raises(UsageError, match="no form"):
        searches.get("men & more", "html")


@pytest.mark.parametrize(
    ("sharing", "hers"), [("private", []), ("public", ["s"]), (["jane"], ["s"])]
)
def test_sharing(people, jane, sharing, hers):
    people.manage.search.save("s", SUBJECT, COLUMNS, MEN, sharing)
    assert jane.manage.search.saved() == hers
    if hers:
        assert jane.manage.search.get("s")["subject_label"] == "carl"


def test_results_are_of_now(people, fill):
    people.manage.search.save("s", SUBJECT, COLUMNS, f"{SUBJECT}/GENDER_TEXT = U")
    assert people.manage.search.get("s").headers() == ["subject_label", "project"]
    fill.put("/data/projects/P/subjects/dan", gender="unknown")
    assert people.manage.search.get("s")["subject_label"] == "dan"


def test_a_search_runs_by_name_and_by_template(people):
    search = people.select(SUBJECT, COLUMNS)
    people.manage.search.save("s", SUBJECT, COLUMNS, MEN)
    people.manage.search.save_template("t", SUBJECT, COLUMNS, f"{SUBJECT}/GENDER_TEXT = g")
    assert search.where(query="s")["subject_label"] == "carl"
    assert search.where(template=("t", {"g": "M"}))["subject_label"] == "carl"
    with pytest.raises(UsageError, match="one of"):
        search.where(MEN, query="s")
    with pytest.raises(UsageError, match="one of"):
        search.where()


def test_mistakes_are_told_before_anything_is_kept(people):
    searches = people.manage.search
    with pytest.raises(CriteriaError, match="did you mean"):
        searches.save("s", SUBJECT, [f"{SUBJECT}/PROJCET"], MEN)
    with pytest.raises(UsageError, match="needs columns"):
        searches.save("s", SUBJECT, [])
    with pytest.raises(UsageError, match="no way to share"):
        searches.save("s", SUBJECT, COLUMNS, MEN, "everybody")
    with pytest.raises(UsageError, match="needs a name"):
        searches.save(" ", SUBJECT, COLUMNS)
    assert searches.saved() == []


def test_criteria_that_are_kept_narrow_searches_and_selections(people):
    people.manage.search.save("men", SUBJECT, COLUMNS, MEN)
    criteria = [(f"{SUBJECT}/GENDER_TEXT", "=", "gender"), "AND"]
    people.manage.search.save_template("by_gender", SUBJECT, COLUMNS, criteria)
    subjects = people.select("/projects/P/subjects")
    assert subjects.where(query="men").get("label") == ["carl"]
    women = subjects.where(template=("by_gender", {"gender": "F"}))
    assert women.get("label") == ["ann", "bea"]
    assert women == subjects.where([(f"{SUBJECT}/GENDER_TEXT", "=", "F"), "AND"])
    # the columns are those of this search, not of the kept one
    search = people.select(SUBJECT, [f"{SUBJECT}/GENDER_TEXT"])
    assert search.where(query="men").data == [{"gender_text": "M"}]
    assert len(search.where(template=("by_gender", {"gender": "F"}))) == 2


def test_what_is_not_kept_narrows_nothing(people):
    subjects = people.select("/projects/P/subjects")
    people.manage.search.save("all", SUBJECT, COLUMNS)
    with pytest.raises(NotFound):
        subjects.where(query="none")
    with pytest.raises(NotFound):
        subjects.where(template=("none", {}))
    with pytest.raises(UsageError, match="has no criteria"):
        subjects.where(query="all")
    for wrong in (subjects.where, lambda: subjects.where(MEN, query="all")):
        with pytest.raises(UsageError, match="takes one of"):
            wrong()


def test_a_text_in_nested_form(people):
    text = f"{SUBJECT}/GENDER_TEXT = M"
    assert people.manage.search.eval_rpn_exp(text) == MEN
