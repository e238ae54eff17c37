"""Programs that serve a test cluster: started without systemd, ended whatever happens."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

CPUS = 30
"""How many processors the clusters declare, whatever the machine has."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PATIENCE = 120.0


class Unavailable(Exception):
    """Why this machine cannot have the cluster."""


def need(*programs: str) -> None:
    """Raise Unavailable unless these programs are here and this account may run them."""
    missing = [name for name in programs if shutil.which(name, path=PATH) is None]
    if missing:
        raise Unavailable(f"not installed: {', '.join(missing)}")
    if os.geteuid() != 0:
        raise Unavailable("the daemons of a cluster need root")


def free_ports(number: int) -> list[int]:
    """Return ports of the loopback interface that nobody uses."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def until(true: Callable[[], object], what: str, patience: float = _PATIENCE) -> None:
    """Wait until something holds."""
    begun = time.monotonic()
    while not true():
        waited = time.monotonic() - begun
        if waited > patience:
            raise TimeoutError(f"{what} did not come in {patience:g} s")
        # most questions are programs, which take more than they are worth if they never pause
        time.sleep(min(0.05 + waited / 10, 0.3))


class Cluster:
    """What both kinds have: a folder, daemons, and what a client needs to know.

    Attributes
    ----------
    folder : Path
        Configuration, spool and logs; short, as a socket's path must be.
    environment : dict
        Variables by which clients find this cluster and no other.
    """

    def __init__(self, name: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.environment: dict[str, str] = {}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def ask(self, *words: str, check: bool = True) -> str:
        """Run a client of this cluster and return what it printed."""
        done = subprocess.run(
            words,
            check=False,
            env={"PATH": PATH, "LOGNAME": "root", **self.environment},
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def _spawn(self, *words: str, environment: Mapping[str, str] | None = None) -> None:
        """Start a daemon that stays in the foreground, and dies with this process."""
        with (self.folder / f"{Path(words[0]).name}.out").open("ab") as log:
            self._daemons[Path(words[0]).name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *words],
                env={"PATH": PATH, **self.environment, **(environment or {})},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _tie_to_loopback(self) -> dict[str, str]:
        """Return the variable by which what would listen everywhere listens on loopback alone."""
        library = self.folder / "loopback.so"
        if not library.exists():
            source = Path(__file__).with_name("loopback.c")
            self.ask("gcc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl")
        return {"LD_PRELOAD": str(library)}

    def _kill(self, name: str) -> None:
        """End a daemon at once, without a word to it."""
        daemon = self._daemons.pop(name, None)
        if daemon is not None:
            daemon.kill()
            daemon.wait()

    def _freeze(self, name: str) -> None:
        """Let a daemon keep its connections and answer nothing."""
        self._daemons[name].send_signal(signal.SIGSTOP)

    def _thaw(self, name: str) -> None:
        self._daemons[name].send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End the daemons and whatever jobs are left, and remove the folder."""
        for name in reversed(list(self._daemons)):
            self._kill(name)
        end_all_of(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def said(self) -> str:
        """Return the logs' ends, to explain a failure."""
        logs: Sequence[Path] = sorted(self.folder.rglob("*.log")) + sorted(
            self.folder.glob("*.out")
        )
        return "\n".join(
            f"{path.name}: {path.read_text('utf-8', 'replace')[-1500:]}" for path in logs
        )


def processes_of(folder: Path) -> list[int]:
    """Return the processes that were told of a folder, by their words or their environment."""
    mark = os.fsencode(folder)
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark in (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes():
                    found.append(int(entry.name))
    return found


def end_all_of(folder: Path) -> None:
    """Kill all processes that were told of a folder, but for those that this one is a child of."""
    parents = {os.getpid(), os.getppid()}
    for _ in range(3):
        left = [number for number in processes_of(folder) if number not in parents]
        if not left:
            return
        for number in left:
            with contextlib.suppress(OSError):
                os.kill(number, signal.SIGKILL)
        time.sleep(0.1)
