"""One archive for all examples of a law: each example makes elements of its own."""

import pytest

from nipype_xnat import Interface
from nipype_xnat.archive import Archive, Site


@pytest.fixture(scope="module")
def connected(tmp_path_factory):
    """A connection to an archive with a project P."""
    root = tmp_path_factory.mktemp("laws")
    with (
        Archive(root / "archive", Site(durable=False)) as archive,
        archive.running() as url,
        Interface(url, "admin", "admin", cache=root / "cache") as client,
    ):
        client.select.project("P").insert()
        yield client, archive
