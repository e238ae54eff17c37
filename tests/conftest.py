"""What all tests share: no telemetry, no account of the machine, and a hand to fill archives."""

import json
import os

import pytest
import requests

os.environ["NO_ET"] = os.environ["NIPYPE_NO_ET"] = "1"


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory, monkeypatch):
    """Keep the machine's own accounts, caches and proxies out of every test."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NIPYPE_XNAT_CACHE", str(home / "cache"))
    for name in ("NETRC", "NIPYPE_XNAT_CONFIG", "XDG_CACHE_HOME", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


class Filler:
    """Fills an archive by plain REST calls, independent of the client under test."""

    def __init__(self, url, user="admin", password="admin"):
        self.url = url
        self.http = requests.Session()
        self.http.headers["User-Agent"] = "filler"
        self.http.post(url + "/data/JSESSION", auth=(user, password)).raise_for_status()

    def call(self, method, path, **options):
        answer = self.http.request(method, self.url + path, **options)
        assert answer.status_code < 300, (method, path, answer.status_code, answer.text[:300])
        return answer

    def put(self, path, **params):
        return self.call("PUT", path, params=params).text

    def file(self, path, data, **params):
        params = {"inbody": "true", **params}
        kind = {"Content-Type": "application/octet-stream"}
        self.call("PUT", path, params=params, data=data, headers=kind)

    def session(self, project, subject, label, scans=(), **params):
        """Make a session with scans: ``{id: (type, {resource: {path: bytes}})}``."""
        base = f"/data/projects/{project}/subjects/{subject}/experiments/{label}"
        self.put(base, **{"xsiType": "xnat:mrSessionData", **params})
        for number, (kind, resources) in dict(scans).items():
            self.put(f"{base}/scans/{number}", xsiType="xnat:mrScanData", type=kind)
            for resource, files in resources.items():
                for path, data in files.items():
                    self.file(f"{base}/scans/{number}/resources/{resource}/files/{path}", data)
        return base


@pytest.fixture
def fill(xnat_archive):
    """A hand to fill the test's own archive."""
    return Filler(xnat_archive.url)


@pytest.fixture
def config(xnat_archive, tmp_path):
    """A configuration file for the test's own archive, as a user would write it."""
    path = tmp_path / "xnat.json"
    values = {"server": xnat_archive.url, "user": "admin", "password": "admin"}
    path.write_text(json.dumps(values), encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.fixture
def client(xnat_archive, tmp_path):
    """A connection to the test's own archive."""
    from nipype_xnat import Interface

    with Interface(xnat_archive.url, "admin", "admin", cache=tmp_path / "cache") as found:
        yield found
