"""At a terminal, a person is asked for what is missing; nowhere else."""

import os
import pty
import subprocess
import sys

SCRIPT = """
import nipype_xnat as pyxnat
x = pyxnat.Interface({server!r})
print("projects:", x.select.projects().get())
x.disconnect()
"""


def test_user_and_password_are_asked_for_and_not_shown(xnat_archive, fill):
    fill.put("/data/projects/P")
    ours, theirs = pty.openpty()
    code = SCRIPT.format(server=xnat_archive.url)
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    said = b""
    for wanted, reply in ((b"User: ", b"admin\n"), (b"Password: ", b"admin\n"), (b"['P']", b"")):
        while wanted not in said:
            said += os.read(ours, 1000)
        os.write(ours, reply)
    assert child.wait(30) == 0
    os.close(ours)
    assert said.split(b"Password: ")[1].count(b"admin") == 0


def test_without_a_terminal_nobody_is_asked(xnat_archive):
    code = SCRIPT.format(server=xnat_archive.url)
    done = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "ConfigurationError: no account for this server" in done.stderr
    assert "netrc" in done.stderr
