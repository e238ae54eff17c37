"""What sites decide differently."""

import requests

from .conftest import fill


def test_a_context_path_stands_before_everything(start, log_in):
    _, url = start(context="/xnat")
    http = log_in(url)
    assert url.endswith("/xnat")
    fill(http, url)
    assert http.get(url + "/data/projects").json()["ResultSet"]["totalRecords"] == "1"
    assert http.get(url.removesuffix("/xnat") + "/data/projects").status_code == 404
    files = http.get(url + "/data/projects/P/files").json()["ResultSet"]
    assert files["Columns"] == [{"serverRoot": "/xnat", "key": "URI"}]


def test_ids_are_made_of_the_site_id_and_as_wide_as_asked(start, log_in):
    _, url = start(site_id="My-Site 1", id_width=18)
    session = fill(log_in(url), url)
    assert session == "My_Site1_E" + "1".zfill(18)
    assert len(session) == 28


def test_a_header_block_over_8_kib_is_refused_with_400(start, log_in):
    _, url = start()
    http = log_in(url)
    fill(http, url)
    fits = ",".join(["XNAT_E00001"] * 500)
    assert http.get(f"{url}/data/experiments/{fits}/scans/ALL/files").status_code == 200
    too_long = ",".join(["XNAT_E00001"] * 800)
    assert http.get(f"{url}/data/experiments/{too_long}/scans/ALL/files").status_code == 400
    assert http.get(url + "/data/projects", headers={"X-Filler": "x" * 9000}).status_code == 400
    assert http.get(url + "/data/projects").status_code == 200


def test_changes_need_a_reason_where_the_site_says_so(start, log_in):
    _, url = start(require_change_reason=True)
    http = log_in(url)
    why = "event_reason=because"
    assert http.put(url + "/data/projects/P").status_code == 200
    session = url + "/data/projects/P/subjects/S1/experiments/MR1"
    assert http.put(url + "/data/projects/P/subjects/S1").status_code == 500
    assert http.put(f"{url}/data/projects/P/subjects/S1?{why}").status_code == 201
    assert http.put(f"{session}?xsiType=xnat:mrSessionData").status_code == 500
    assert http.put(f"{session}?xsiType=xnat:mrSessionData&{why}").status_code == 201
    assert http.put(f"{session}/resources/R").status_code == 500
    assert http.put(f"{session}/resources/R?{why}").status_code == 200
    file = f"{session}/resources/R/files/a.txt?inbody=true"
    refused = http.put(file, data=b"a")
    assert refused.status_code == 500
    assert "Justification required." in refused.text
    assert http.put(f"{file}&{why}", data=b"a").status_code == 200
    # a file sent without statistics opens no workflow, so nobody asks for a reason
    assert (
        http.put(
            f"{session}/resources/R/files/b.txt?inbody=true&update-stats=false", data=b"b"
        ).status_code
        == 200
    )
    # a project never needs a reason
    assert http.put(f"{url}/data/projects/P/resources/R").status_code == 200
    assert http.delete(session).status_code == 403
    assert http.delete(f"{session}?{why}").status_code == 200


def test_without_checksums_the_digest_is_blank(start, log_in):
    _, url = start(checksums=False)
    http = log_in(url)
    fill(http, url)
    files = url + "/data/projects/P/resources/R/files"
    http.put(files + "/a.txt?inbody=true", data=b"a")
    assert http.get(files).json()["ResultSet"]["Result"][0]["digest"] == ""
    refresh = "/data/services/refresh/catalog?resource=/archive/projects/P/resources/R"
    assert http.post(url + refresh + "&options=checksum").status_code == 200
    digest = http.get(files).json()["ResultSet"]["Result"][0]["digest"]
    assert digest == "0cc175b9c0f1b6a831c399e269772661"


def test_guests_see_what_is_public(start, log_in):
    _, url = start(require_login=False)
    http = log_in(url)
    fill(http, url)
    guest = requests.Session()
    guest.headers["User-Agent"] = "tests"
    http.put(url + "/data/projects/P/accessibility/private")
    assert guest.get(url + "/data/projects").json()["ResultSet"]["totalRecords"] == "0"
    http.put(url + "/data/projects/P/accessibility/public")
    assert guest.get(url + "/data/projects").json()["ResultSet"]["totalRecords"] == "1"
    assert guest.get(url + "/data/experiments/XNAT_E00001?format=json").status_code == 200
    assert guest.put(url + "/data/projects/Q").status_code == 403
    assert guest.get(url + "/data/auth").status_code == 401


def test_lists_in_paths_can_be_refused(start, log_in):
    _, url = start(refuse_comma_lists=True)
    http = log_in(url)
    fill(http, url)
    assert http.get(url + "/data/experiments/XNAT_E00001/scans/ALL/files").status_code == 200
    assert http.get(url + "/data/experiments/XNAT_E00001,X/scans/ALL/files").status_code == 400


def test_a_site_adds_types_by_a_file(start, log_in, tmp_path):
    own = tmp_path / "types.json"
    own.write_text(
        '{"namespaces": {"fs": "http://nrg.wustl.edu/fs"}, "types": {"fs:fsData": {"element": '
        '"Freesurfer", "extends": "xnat:imageAssessorData", "singular": "Freesurfer", "plural": '
        '"Freesurfers", "fields": ["fs_version", "measures/volumetric/ICV float"]}}}'
    )
    _, url = start(datatypes=(own,))
    http = log_in(url)
    session = fill(http, url)
    made = http.put(
        f"{url}/data/experiments/{session}/assessors/FS?xsiType=fs:fsData"
        "&fs:fsData/measures/volumetric/ICV=1500"
    )
    assert made.status_code == 201
    listed = http.get(
        f"{url}/data/experiments?xsiType=fs:fsData&columns=label,fs:fsData/measures/volumetric/ICV"
    ).json()["ResultSet"]["Result"]
    assert listed[0]["fs:fsdata/measures/volumetric/icv"] == "1500.0"
    assert "fs" in http.get(url + "/xapi/schemas").json()
