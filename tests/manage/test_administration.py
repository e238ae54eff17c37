"""Projects, accounts, schemas and the prearchive over HTTP."""

import pickle

import pytest

from nipype_xnat import Interface
from nipype_xnat.errors import Conflict, NotAllowed, NotFound, NotLoggedIn, UsageError


@pytest.fixture
def project(client, fill, xnat_archive):
    fill.put("/data/projects/P")
    xnat_archive.archive.add_user("jane", "secret", admin=False)
    return client.manage.project("P")


def test_the_project_of_the_article(project, xnat_archive):
    project.set_accessibility("private")
    assert project.accessibility() == "private"
    for level in ("public", "protected"):
        project.set_accessibility(level)
        assert project.accessibility() == level
    project.add_user("jane", "collaborator")
    assert project.collaborators() == ["jane"]
    assert project.user_role("jane") == "collaborator"
    project.add_user("jane", "owners")
    assert "jane" in project.owners()
    assert project.collaborators() == project.members() == []
    assert set(project.users()) == {"admin", "jane"}
    project.remove_user("jane")
    assert project.users() == ["admin"]
    with pytest.raises(NotFound, match="no user of the project"):
        project.remove_user("jane")
    with pytest.raises(NotFound):
        project.add_user("nobody")


def test_codes_and_folders(project):
    assert project.prearchive_code() == 4
    project.set_prearchive_code(0)
    assert project.prearchive_code() == 0
    project.set_quarantine_code("1")
    assert project.quarantine_code() == 1
    project.set_subfolder_in_current_arc("new")
    assert project.current_arc() == "arc001/new"


def test_aliases_and_resources(project, client, fill):
    assert project.aliases() == []
    project.set_alias("Q")
    assert project.aliases() == ["Q"]
    assert client.manage.project("Q").accessibility() == project.accessibility()
    fill.put("/data/projects/O")
    with pytest.raises(Conflict):
        client.manage.project("O").set_alias("Q")
    fill.file("/data/projects/P/resources/R/files/a.txt", b"a")
    assert project.resources().get("label") == ["R"]
    assert project.resource("R").file("a.txt").exists()


def test_a_manager_of_a_project_is_the_project(project, client):
    assert project.get_custom_variables() == {}
    assert project.id() == "P"
    assert project.members_table().column("login") == ["admin"]
    assert project.subject("S").parent() == client.select.project("P")


def test_mistakes_are_told_before_any_request(client):
    client.transport.send = None  # nothing may be sent
    project = client.manage.project("P")
    for wrong in (
        lambda: project.set_accessibility("secret"),
        lambda: project.add_user("jane", "boss"),
        lambda: project.set_prearchive_code("all"),
        lambda: client.manage.prearchive.status("P"),
        lambda: client.manage.prearchive.delete([]),
        lambda: client.manage.prearchive.archive("/x", overwrite="yes"),
        lambda: client.manage.prearchive.import_zip("/no/such.zip"),
        lambda: client.manage.schemas.types("xnat"),
        lambda: client.manage.schemas.document("/"),
    ):
        with pytest.raises(UsageError):
            wrong()
    del client.transport.send


def test_users(client, xnat_archive):
    users = client.manage.users
    users.create("joe", "pass word", firstname="Joe", lastname="Doe", email="j@d.org")
    assert "joe" in users()
    assert (users.firstname("joe"), users.lastname("joe")) == ("Joe", "Doe")
    assert users.email("joe") == "j@d.org"
    assert users.id("joe").isdecimal()
    assert users.profile("joe")["username"] == "joe"
    assert users.roles("admin") == ["Administrator"]
    assert users.roles("joe") == users.groups("joe") == []
    with Interface(xnat_archive.url, "joe", "pass word") as joe:
        assert joe.select.projects().get() == []
        with pytest.raises(NotAllowed):
            joe.manage.users.create("jim", "x")
    users.disable("joe")
    assert not users.enabled("joe")
    assert "joe" not in users()
    with Interface(xnat_archive.url, "joe", "pass word") as joe, pytest.raises(NotLoggedIn):
        joe.select.projects().get()
    users.enable("joe")
    assert users.enabled("joe")
    with pytest.raises(Conflict):
        users.create("joe", "x")
    with pytest.raises(NotFound, match="no enabled account"):
        users.email("nobody")


def test_schemas(client):
    schemas = client.manage.schemas
    assert schemas() == []
    assert "xnat" in schemas.available()
    schemas.add(url="/xapi/schemas/xnat")
    assert list(client.manage.schemas()) == ["xnat"]
    assert "xnat:mrSessionData" in schemas.types("xnat")
    schemas.remove("xnat")
    assert len(schemas()) == 0
    with pytest.raises(NotFound):
        schemas.add("nothing")


def test_an_empty_prearchive(client, fill, xnat_archive):
    fill.put("/data/projects/P")
    prearchive = client.manage.prearchive
    assert prearchive.get() == prearchive.get("P") == []
    assert prearchive.table().headers()[:3] == ["project", "timestamp", "folderName"]
    with pytest.raises(NotFound, match="waits in the prearchive"):
        prearchive.status(["P", "20240101_000000", "s"])
    # for administrators XNAT lists what waits under any name (its PrearcSessionListResource)
    assert prearchive.get("nothing") == []
    client.manage.users.create("joe", "pw")
    with Interface(xnat_archive.url, "joe", "pw") as joe, pytest.raises(NotAllowed):
        joe.manage.prearchive.get("nothing")


def test_the_cache_and_copies(client, tmp_path):
    assert client.manage.cache.root == tmp_path / "cache"
    client.manage.schemas.add("xnat")
    copy = pickle.loads(pickle.dumps(client))
    assert copy.manage.schemas() == []


def test_tags_and_the_account_s_own_cache(client, fill):
    fill.put("/data/projects/P")
    fill.put("/data/projects/P/subjects/S")
    tags = client.manage.tags
    assert tags() == []
    client.select.project("P").subject("S").tag("seen")
    assert tags() == client.select.tags() == ["seen"]
    assert [subject.label() for subject in tags.get("seen").references()] == ["S"]
    tags.delete("seen")
    assert tags() == []
    fill.file("/data/user/cache/resources/mine/files/a.txt", b"a")
    assert client.manage.users.resources() == ["mine"]


def test_fields_of_the_schemas(client):
    found = client.inspect.schemas.look_for("voxelRes", "xnat:mrScanData")
    assert "xnat:mrScanData/parameters/voxelRes/x" in found
    assert all(path.startswith("xnat:mrScanData/") for path in found)
    assert client.inspect.schemas.look_for("xnat:mrScanData") == client.manage.schemas.paths(
        "xnat:mrScanData"
    )
    assert list(client.manage.schemas()) == ["xnat"]
    assert "xnat:subjectData/label" in client.inspect.schemas()["xnat:subjectData"]
