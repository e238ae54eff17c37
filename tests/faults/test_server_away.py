"""A server that is away at a log-in: waited for, but not by one thread after another."""

import logging
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from nipype_xnat import Interface
from nipype_xnat.address import Address
from nipype_xnat.archive import Archive, Site
from nipype_xnat.errors import CannotReachServer, NotLoggedIn
from nipype_xnat.transport import HttpTransport, credentials
from nipype_xnat.transport.request import Request


@contextmanager
def at_each_wait(call):
    """Call something, in the thread that waits, whenever a request will be sent again."""

    class Handler(logging.Handler):
        def emit(self, record):
            if record.getMessage().startswith("trying again"):
                call()

    logger, handler = logging.getLogger("nipype_xnat.transport"), Handler(logging.INFO)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def test_a_server_that_is_back_in_a_moment_is_logged_in_to(tmp_path, port):
    with Archive(tmp_path / "archive", Site(durable=False)) as archive:
        running = archive.running(port)
        waits = []

        def start():
            waits.append(not waits and running.__enter__())

        try:
            with at_each_wait(start):
                with Interface(f"http://127.0.0.1:{port}", "admin", "admin") as client:
                    assert client.select("/projects").get() == []
        finally:
            if waits:
                running.__exit__(None, None, None)
        assert len(waits) == 1


def test_an_account_that_is_refused_is_not_tried_again(tmp_path):
    with Archive(tmp_path / "archive", Site(durable=False)) as archive, archive.running() as url:
        with Interface(url, "admin", "wrong") as client:
            with pytest.raises(NotLoggedIn):
                client.select("/projects").get()
        assert [request.method for request in archive.requests] == ["POST"]


def test_threads_that_wait_for_a_log_in_share_its_failure(port):
    account = credentials.Credentials("admin", "admin")
    transport = HttpTransport(f"http://127.0.0.1:{port}", account, retries=1)
    others, waits, told = [], [], []

    def ask():
        with pytest.raises(CannotReachServer, match="refused") as caught:
            transport.send(Request("GET", Address.of("data", "projects")))
        told.append(caught.value)

    def start_others():
        waits.append(threading.current_thread())
        if not others:
            others.extend(threading.Thread(target=ask) for _ in range(6))
            for thread in others:
                thread.start()
            time.sleep(0.5)  # for all to come to the log-in, which this thread is at

    with at_each_wait(start_others):
        ask()
        for thread in others:
            thread.join()
        assert len(waits) == 1
        assert len({id(error) for error in told}) == 7
        ask()
    assert len(waits) == 2
