"""What all tests share: no telemetry, no account of the machine, and a hand to fill archives."""

import gc
import itertools
import json
import os
import shutil
import signal
import sys

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from support.filler import Filler
from support.snapshot import Snapshot

# the same examples each time, so that a change is not blamed for what it did not do; new ones are
# sought by: pytest tests --hypothesis-profile=wide
# a slow machine is no defect, and an archive or a folder may serve all examples of a test
LENIENT = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("steady", LENIENT, derandomize=True)
settings.register_profile("wide", LENIENT, max_examples=2000)
settings.load_profile("steady")

os.environ["NO_ET"] = os.environ["NIPYPE_NO_ET"] = "1"

# the tests start hundreds of processes; each would compile the package for itself
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# what a shell starts in the background ignores Ctrl-C, and so would the programs under test
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Begin with the clusters: while their jobs wait, other workers have the processors."""
    items.sort(key=lambda item: item.path.parent.name != "cluster")


def pytest_collection_finish():
    """Spare each later collection of garbage what stays: Nipype asks for one after each command."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def _homes(tmp_path_factory):
    """A folder of homes; pytest's own numbering looks at all the earlier ones each time."""
    root = tmp_path_factory.mktemp("homes")
    return (root / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def _own_home(_homes, monkeypatch):
    """Keep the machine's own accounts, caches and proxies out of every test."""
    home = next(_homes)
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    ours = [name for name in os.environ if name.startswith("NIPYPE_XNAT_")]
    for name in ("NETRC", "XDG_CACHE_HOME", "http_proxy", "https_proxy", *ours):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NIPYPE_XNAT_CACHE", str(home / "cache"))


@pytest.fixture(scope="session")
def once(tmp_path_factory, worker_id):
    """Make a folder once for all processes of this test run."""
    root = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        root = root.parent

    def once(name, make):
        made, mark = root / f"once-{name}", root / f"once-{name}.made"
        with FileLock(root / f"once-{name}.lock"):
            if not mark.exists():
                shutil.rmtree(made, ignore_errors=True)
                make(made)
                mark.touch()
        return made

    return once


@pytest.fixture
def fill(xnat_archive):
    """A hand to fill the test's own archive."""
    return Filler(xnat_archive.url)


@pytest.fixture(scope="session")
def snapshots(tmp_path_factory):
    """What an archive holds that a function has filled, which is done once."""
    from nipype_xnat.archive import Archive, Site

    made = {}

    def snapshot(filling):
        if filling not in made:
            folder = tmp_path_factory.mktemp("filled")
            with Archive(folder, Site(durable=False)) as archive, archive.running() as url:
                filling(Filler(url))
                made[filling] = Snapshot(archive)
        return made[filling]

    return snapshot


@pytest.fixture
def hold(xnat_archive, snapshots):
    """Let the test's own archive hold what a function fills, and forget what it was asked."""

    def hold(filling):
        snapshots(filling).put_into(xnat_archive.archive)
        xnat_archive.requests.clear()

    return hold


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
