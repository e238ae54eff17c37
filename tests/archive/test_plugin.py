"""The fixture that other projects use."""

import requests

pytest_plugins = []


def test_the_fixture_gives_a_running_archive(xnat_archive):
    answer = requests.get(
        xnat_archive.url + "/data/projects", auth=(xnat_archive.user, xnat_archive.password)
    )
    assert answer.json()["ResultSet"]["totalRecords"] == "0"
    requests.put(xnat_archive.url + "/data/projects/P", auth=("admin", "admin"))
    assert [entry.status for entry in xnat_archive.requests] == [200, 200]


def test_each_test_has_an_archive_of_its_own(xnat_archive):
    answer = requests.get(xnat_archive.url + "/data/projects", auth=("admin", "admin"))
    assert answer.json()["ResultSet"]["totalRecords"] == "0"
