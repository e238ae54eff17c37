"""A token in place of a password: for the time of a run, and no longer."""

import json
import logging
import os
import stat
import subprocess
import sys
import time

import pytest
import requests
from nipype import Node

from nipype_xnat import Interface, XNATSource, issued_token
from nipype_xnat.errors import ConfigurationError, NotAllowed, UsageError

PASSWORD = "s3cret w0rd/of+jane"


def until(true, what):
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.02)


@pytest.fixture
def site(xnat_archive, fill, tmp_path):
    """An archive with a session, and a configuration file of a person with a password."""
    fill.put("/data/projects/P")
    fill.session("P", "S", "MR1", {"1": ("T1w", {"NIFTI": {"a.nii": b"image"}})})
    xnat_archive.archive.add_user("jane", PASSWORD, admin=True)
    config = tmp_path / "jane.json"
    Interface(xnat_archive.url, "jane", PASSWORD).save_config(config)
    return xnat_archive, config


def token_of(config):
    values = json.loads(open(config).read())
    return values["user"], values["password"]


def is_good(archive, token):
    return requests.get(f"{archive.url}/data/projects", auth=token).status_code == 200


def known(archive):
    """Return the names of all tokens of jane that the archive holds."""
    uri = f"{archive.url}/data/services/tokens/show"
    return [token["alias"] for token in requests.get(uri, auth=("jane", PASSWORD)).json()]


def fetched(config, folder):
    """Run a source that names a configuration file."""
    source = Node(XNATSource(outfields=["t1"], config=config), name="source")
    source.base_dir = str(folder)
    source.inputs.query_template = "/projects/P/experiments/*/scans/1/resources/NIFTI/files"
    return open(source.run().outputs.t1, "rb").read()


def test_nodes_log_in_with_it_and_it_ends_with_the_block(site, tmp_path, caplog):
    archive, account = site
    with caplog.at_level(logging.DEBUG):
        with issued_token(account, tmp_path / "token") as config:
            token = token_of(config)
            assert token[0] != "jane" and token[1] != PASSWORD
            assert json.loads(open(config).read())["account"] == "jane"
            assert stat.S_IMODE(os.stat(config).st_mode) == 0o600
            assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o700
            assert fetched(config, tmp_path / "work") == b"image"
            with Interface(config=config) as client:
                assert client.user == "jane"
                said = repr(client) + repr(client.transport) + repr(vars(client))
            assert is_good(archive, token)
    assert not is_good(archive, token)
    assert known(archive) == []
    assert not (tmp_path / "token").exists()
    asked = " ".join(f"{r.path}?{r.query}" for r in archive.requests)
    assert "tokens/invalidate/" in asked
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("nipype")]
    assert ours
    for text in (*ours, said):
        assert token[0] not in text and token[1] not in text
    assert token[1] not in caplog.text + asked
    left = [path for path in (tmp_path / "work").rglob("*") if path.is_file()]
    assert left and not [path for path in left if token[1].encode() in path.read_bytes()]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_however_the_block_ends(site, tmp_path, error):
    archive, account = site
    with pytest.raises(error):
        with issued_token(account, tmp_path / "token") as config:
            token = token_of(config)
            raise error
    assert not is_good(archive, token)
    assert not (tmp_path / "token").exists()


def test_it_is_renewed_and_a_job_reads_the_file_again(site, tmp_path):
    archive, account = site
    with issued_token(account, tmp_path / "token", renew=1.0, grace=0.5) as config:
        first = token_of(config)
        client = Interface(config=config, metadata_age=0)
        early = Interface(config=config, metadata_age=0)
        early.select.projects().get()
        until(lambda: token_of(config) != first, "another token")
        assert stat.S_IMODE(os.stat(config).st_mode) == 0o600
        until(lambda: not is_good(archive, first), "the end of the first one's grace")
        # one that has not logged in yet, and one whose log-in session has ended meanwhile
        assert client.select.projects().get() == ["P"]
        assert client.user == "jane"
        session = early._http._session.http
        session.delete(f"{archive.url}/data/JSESSION")
        assert early.select.projects().get() == ["P"]
        client.disconnect()
        early.disconnect()
    assert known(archive) == []


def test_replaced_token_is_good_for_a_while(site, tmp_path):
    archive, account = site
    with issued_token(account, tmp_path / "token", renew=0.3, grace=600) as config:
        first = token_of(config)
        until(lambda: token_of(config) != first, "another token")
        assert is_good(archive, first)
    assert not is_good(archive, first)
    assert known(archive) == []


def test_what_a_killed_process_left_is_invalidated_by_the_next(site, tmp_path):
    archive, account = site
    folder = tmp_path / "token"
    code = (
        "import sys, time\nfrom nipype_xnat import issued_token\n"
        "with issued_token(sys.argv[1], sys.argv[2]) as config:\n"
        "    print(config, flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, account, folder], stdout=subprocess.PIPE, text=True
    ) as process:
        config = process.stdout.readline().strip()
        assert config == str(folder / "xnat.json")
        with pytest.raises(UsageError, match="another run uses the token"):
            issued_token(account, folder).__enter__()
        process.kill()
    left = token_of(config)
    assert is_good(archive, left)
    with issued_token(account, folder) as config:
        assert not is_good(archive, left)
        assert is_good(archive, token_of(config))
    assert known(archive) == []


def test_bytes_that_came_by_one_token_need_no_listing_by_the_next(site, tmp_path):
    """The account is whose the token is."""
    archive, account = site
    with issued_token(account, tmp_path / "token") as config:
        with Interface(config=config) as client:
            path = "/projects/P/experiments/*/scans/1/resources/NIFTI/files"
            (record,) = client.cohort({"t1": path})
    for number in range(2):
        with issued_token(account, tmp_path / "token") as config:
            source = Node(XNATSource(outfields=["t1"], config=config), name=f"source{number}")
            source.base_dir = str(tmp_path / "work")
            source.inputs.record = dict(record)
            archive.requests.clear()
            assert open(source.run().outputs.t1, "rb").read() == b"image"
            asked = [r.path for r in archive.requests if "/files" in r.path]
            assert len(asked) == 1 - number


def test_where_there_can_be_none(site, tmp_path):
    archive, account = site
    with Interface(archive.url, anonymous=True) as nobody:
        with pytest.raises(UsageError, match="for an account"):
            issued_token(nobody, tmp_path / "token").__enter__()
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(ConfigurationError, match="not a folder of this user"):
        issued_token(account, tmp_path / "link").__enter__()

    def refusing(app):
        def answer(environ, start_response):
            if environ["PATH_INFO"].endswith("/tokens/issue"):
                start_response("403 Forbidden", [("Content-Type", "text/html")])
                return [b"tokens are not given out here"]
            return app(environ, start_response)

        return answer

    with archive.archive.running(middleware=[refusing]) as url:
        with Interface(url, "jane", PASSWORD) as client, pytest.raises(NotAllowed):
            issued_token(client, tmp_path / "token").__enter__()
    assert not (tmp_path / "token").exists()


def test_a_folder_that_cannot_be_made(xnat_archive, config, tmp_path):
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigurationError, match="cannot be a folder for the token"):
            with issued_token(config, folder):
                pass
