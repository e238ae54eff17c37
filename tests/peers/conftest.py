"""A fresh archive for each peer's day."""

import pytest

from nipype_xnat.archive import Archive, Site


@pytest.fixture
def url(tmp_path):
    with Archive(tmp_path / "archive", Site(durable=False)) as archive:
        archive.add_user("someone", "secret")
        with archive.running() as url:
            yield url
