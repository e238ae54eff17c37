"""Archives for tests of what is the archive's own, not XNAT's."""

import contextlib

import pytest
import requests
import sqlalchemy as sa

from nipype_xnat.archive import Archive, Site


@pytest.fixture
def start(tmp_path):
    """Give a way to start archives: ``url = start(site options)``."""
    with contextlib.ExitStack() as stack:

        def begin(folder="archive", middleware=(), **options):
            site = Site(**{"durable": False, **options})
            archive = stack.enter_context(Archive(tmp_path / folder, site))
            url = stack.enter_context(archive.running(middleware=middleware))
            return archive, url

        yield begin


@pytest.fixture
def log_in():
    """Give a way to log in: ``http = log_in(url)``."""
    opened = []

    def enter(url, user="admin", password="admin"):
        http = requests.Session()
        http.headers["User-Agent"] = "tests"
        http.trust_env = False
        http.post(url + "/data/JSESSION", auth=(user, password)).raise_for_status()
        opened.append(http)
        return http

    yield enter
    for http in opened:
        http.close()


def fill(http, url, project="P"):
    """Make a project with a session and a scan, and give the session's id."""
    http.put(f"{url}/data/projects/{project}").raise_for_status()
    session = f"{url}/data/projects/{project}/subjects/S1/experiments/MR1"
    answer = http.put(session + "?xsiType=xnat:mrSessionData")
    answer.raise_for_status()
    scan = http.put(session + "/scans/1?xsiType=xnat:mrScanData&type=T1w")
    scan.raise_for_status()
    return answer.text


@pytest.fixture
def told():
    """The statements that SQLite was given, by all connections opened meanwhile."""
    statements = []

    def connected(connection, _record):
        connection.set_trace_callback(statements.append)

    sa.event.listen(sa.pool.Pool, "connect", connected)
    yield statements
    sa.event.remove(sa.pool.Pool, "connect", connected)
