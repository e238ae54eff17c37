"""What a project decides for itself."""

import pytest

from nipype_xnat.errors import NotFound, UsageError


@pytest.fixture
def project(client, fill, xnat_archive):
    fill.put("/data/projects/P")
    xnat_archive.archive.add_user("jane", "secret")
    return client.select.project("P")


def test_who_may_see_it(project):
    project.set_accessibility("private")
    assert project.accessibility() == "private"
    assert project.accessibility() == b"private"
    assert project.accessibility().decode() == "private"
    with pytest.raises(UsageError, match="public"):
        project.set_accessibility("secret")


def test_who_works_on_it(project):
    assert project.users() == project.owners() == ["admin"]
    project.add_user("jane", "collaborator")
    assert project.collaborators() == ["jane"]
    assert project.user_role("jane") == "collaborator"
    project.add_user("jane")
    assert (project.members(), project.collaborators()) == (["jane"], [])
    project.remove_user("jane")
    assert project.user_role("jane") == ""
    with pytest.raises(NotFound, match="jane"):
        project.remove_user("jane")
    with pytest.raises(NotFound):
        project.add_user("nobody-there")
    with pytest.raises(UsageError, match="owner, member, collaborator"):
        project.add_user("jane", "king")


def test_where_data_go(project):
    assert (project.prearchive_code(), project.quarantine_code()) == (4, 0)
    project.set_prearchive_code(0)
    project.set_quarantine_code(1)
    assert (project.prearchive_code(), project.quarantine_code()) == (0, 1)
    assert project.current_arc() == "arc001"
    project.set_subfolder_in_current_arc("2024")
    assert project.current_arc() == "arc001/2024"


def test_what_it_is_called(client, project):
    project.set_alias("also_p")
    assert project.aliases() == ["also_p"]
    assert client.select.project("also_p").exists()
    project.set_description("about something")
    assert project.description() == "about something"
