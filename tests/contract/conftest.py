"""The server that the contract is held against: the local archive, or any other."""

import os
from contextlib import contextmanager

import pytest
import requests

from .rewind import Rewind
from .stages import STAGES
from .table import RUN, State, sweep

#: base URL of another server; user and password stand in XNAT_CONTRACT_USER and
#: XNAT_CONTRACT_PASSWORD
OTHER = os.environ.get("XNAT_CONTRACT_SERVER")


ROLES = ("owner", "member", "collaborator", "stranger")


@contextmanager
def served(folder, **options):
    """Give an archive with an account for each role, and its address."""
    from nipype_xnat.archive import Archive, Site

    with Archive(folder, Site(durable=False, **options)) as archive:
        for role in ROLES:
            archive.add_user(f"ct_{role}", "secret")
        with archive.running() as url:
            yield archive, url


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Give (url, login) of the server."""
    if OTHER:
        login = (
            os.environ.get("XNAT_CONTRACT_USER", "admin"),
            os.environ.get("XNAT_CONTRACT_PASSWORD", "admin"),
        )
        try:
            yield OTHER.rstrip("/"), login
        finally:
            # a row that was interrupted may have left its project
            with requests.Session() as http:
                http.auth = login
                sweep(http, OTHER.rstrip("/"), RUN)
        return
    with served(tmp_path_factory.mktemp("archive")) as (_, url):
        yield url, ("admin", "admin")


@pytest.fixture(scope="module")
def shared(server):
    """Give a state for rows that only look."""
    state = State(*server)
    yield state
    state.remove()


@pytest.fixture(scope="module")
def busy(server):
    """Give a state that rows share which change only what is their own."""
    state = State(*server)
    yield state
    state.remove()


@pytest.fixture(scope="module")
def rewound(tmp_path_factory):
    """Give a state of its own archive, and what brings it back; None on another server."""
    if OTHER:
        yield None
        return
    with served(tmp_path_factory.mktemp("rewound")) as (archive, url):
        state = State(url, ("admin", "admin"))
        rewind = Rewind(archive)
        yield state, rewind
        rewind.close()
        state.http.close()


@pytest.fixture
def fresh(request, rewound):
    """Give a state that a row may change."""
    if rewound is None:
        state = State(*request.getfixturevalue("server"))
        yield state
        state.remove()
        return
    state, rewind = rewound
    names = dict(state.names)
    yield state
    state.names = names
    rewind.back()


@pytest.fixture(scope="module")
def staged(server):
    """Give a maker of the other states, each made once."""
    made = {}

    def stage(name):
        if name not in made:
            if OTHER and STAGES[name].accounts:
                pytest.skip("the other server has no such account")
            made[name] = STAGES[name](*server)
        return made[name]

    yield stage
    for state in made.values():
        state.remove()
