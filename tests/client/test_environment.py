"""Proxies and certificates: what is given, and what the environment says."""

import shutil
import subprocess

import pytest

from nipype_xnat import Interface
from nipype_xnat.archive import Archive, Site
from nipype_xnat.errors import CannotReachServer
from support.forwarding import proxy

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """An environment that says nothing."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_proxy_of_the_environment(xnat_archive, monkeypatch, name):
    with proxy() as way:
        monkeypatch.setenv(name, way.url)
        with Interface(xnat_archive.url, "admin", "admin") as client:
            assert client.select("/projects").get() == []
    url = xnat_archive.url
    assert [address.partition("?")[0] for address in way.asked] == [
        f"{url}/data/JSESSION",
        f"{url}/data/projects",
        f"{url}/data/JSESSION",
    ]


def test_server_that_the_environment_excepts(xnat_archive, monkeypatch):
    monkeypatch.setenv("http_proxy", NOWHERE)
    monkeypatch.setenv("no_proxy", "elsewhere.org,127.0.0.1")
    with Interface(xnat_archive.url, "admin", "admin") as client:
        assert client.select("/projects").get() == []


def test_proxy_that_is_given_counts_more_than_the_environment(xnat_archive, monkeypatch):
    monkeypatch.setenv("http_proxy", NOWHERE)
    with proxy() as way:
        with Interface(xnat_archive.url, "admin", "admin", proxy=way.url) as client:
            assert client.select("/projects").get() == []
    assert len(way.asked) == 3


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    """An archive that speaks TLS with a certificate of its own, and the certificate."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("certified")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext"
    alternative = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    subprocess.run(
        [*words.split(), alternative, "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    with Archive(folder / "archive", Site(durable=False)) as archive:
        with archive.running(certificate=(str(certificate), str(key))) as url:
            assert url.startswith("https:")
            yield url, str(certificate)


pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")


def ask(url, **options):
    with Interface(url, "admin", "admin", **options) as client:
        assert client.select("/projects").get() == []


def test_certificate_that_nobody_vouches_for(certified):
    url, _ = certified
    with pytest.raises(CannotReachServer, match="certificate"):
        ask(url)
    ask(url, verify=False)


def test_certificate_that_is_trusted(certified, monkeypatch):
    url, certificate = certified
    ask(url, verify=certificate)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
    ask(url)
    ask(url, verify=True)


def test_certificates_that_are_given_count_more_than_the_environment(
    certified, monkeypatch, tmp_path
):
    url, certificate = certified
    other = tmp_path / "other.pem"
    other.write_bytes(b"")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    with pytest.raises(CannotReachServer):
        ask(url)
    ask(url, verify=certificate)
    ask(url, verify=False)
