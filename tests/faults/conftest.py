"""The misbehaving server, and what tests of it need."""

import hashlib
import sys
from pathlib import Path

import pytest

from nipype_xnat.cache import Cache
from nipype_xnat.records import Record
from nipype_xnat.transport import HttpTransport

sys.path.insert(0, str(Path(__file__).parent))

from hostile import running


@pytest.fixture
def server():
    with running() as it:
        yield it


@pytest.fixture
def transport(server):
    it = HttpTransport(server.url, timeout=(60.0, 60.0))
    yield it
    it.close()


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache", patience=10.0)


@pytest.fixture
def wanted(server):
    """Put a file on the server and return its record under a behaviour."""

    def make(behaviour, data, name="a.bin", digest=True, **values):
        server.store(name, data)
        known = hashlib.md5(data).hexdigest() if digest else ""
        of = {"experiment_id": "E1", "resource_id": behaviour}
        return Record(path=name, **{**of, "size": len(data), "digest": known, **values})

    return make


def noise(length, seed=1):
    """Bytes that differ everywhere."""
    out = bytearray()
    block = hashlib.sha256(str(seed).encode()).digest()
    while len(out) < length:
        block = hashlib.sha256(block).digest()
        out += block
    return bytes(out[:length])


@pytest.fixture(name="noise")
def _noise():
    return noise
