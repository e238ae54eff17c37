"""Files of many sessions by one catalog."""

import io
import zipfile

from .conftest import fill


def test_a_catalog_is_chosen_once_and_fetched_as_a_zip(start, log_in):
    _, url = start()
    http = log_in(url)
    session = fill(http, url)
    files = f"{url}/data/experiments/{session}/scans/1/resources/NIFTI/files"
    http.put(files + "/deep/a.nii?inbody=true", data=b"image").raise_for_status()
    http.put(f"{url}/data/experiments/{session}/resources/N/files/n.txt?inbody=true", data=b"n")
    wanted = {
        "sessions": [f"P:S1:MR1:{session}"],
        "scan_types": ["T1w"],
        "scan_formats": ["NIFTI"],
        "options": ["projectIncludedInPath"],
    }
    key = http.post(url + "/xapi/archive/download", json=wanted).text
    assert key.startswith("admin-")
    body = http.get(f"{url}/xapi/archive/download/{key}/zip").content
    names = zipfile.ZipFile(io.BytesIO(body)).namelist()
    assert names == ["P/MR1/scans/1-T1w/resources/NIFTI/deep/a.nii"]
    sized = http.post(url + "/xapi/archive/downloadwithsize", json=wanted).json()
    assert (sized["size"], sized["resourcesOfUnknownSize"]) == (5, 0)
    assert "a.nii" in http.get(f"{url}/xapi/archive/download/{key}/xml").text
    assert http.post(url + "/xapi/archive/download", json={}).status_code == 204
    assert http.get(f"{url}/xapi/archive/download/nosuch/zip").status_code == 404
