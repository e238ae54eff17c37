"""Grid Engine: one host on the loopback interface, from Debian's packages."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Mapping
from pathlib import Path

from support.clusters.daemons import CPUS, Cluster, Unavailable, free_ports, need, until

_LIB = Path("/usr/lib/gridengine")
_SHARE = Path("/usr/share/gridengine")
_BOOTSTRAP = """\
admin_user none
default_domain none
ignore_fqdn true
spooling_method classic
spooling_lib libspoolc
spooling_params {cell}/common;{spool}/qmaster
binary_path {root}/bin
qmaster_spool_dir {spool}/qmaster
security_mode none
listener_threads 2
worker_threads 2
scheduler_threads 1
"""
# what differs from the packaged configuration
_CONFIGURATION = {
    "execd_spool_dir": "{spool}/execd",
    "mailer": "/bin/true",
    "administrator_mail": "none",
    "min_uid": "0",
    "min_gid": "0",
    "load_report_time": "00:00:02",
    "max_unheard": "00:00:30",
    "execd_params": "INHERIT_ENV=false",
    "reporting_params": "accounting=true reporting=false flush_time=00:00:01 joblog=false "
    "sharelog=00:00:00",
}
_QUEUE = {
    "qname": "all.q",
    "hostlist": "{name}",
    "slots": "{cpus}",
    "pe_list": "NONE",
    "load_thresholds": "NONE",
    "shell": "/bin/sh",
    "shell_start_mode": "unix_behavior",
    "rerun": "FALSE",
}


_SCHEDULE = {"schedule_interval": "0:0:2", "flush_submit_sec": "1", "flush_finish_sec": "1"}


class GridEngine(Cluster):
    """A master, an execution daemon and one queue.

    Parameters
    ----------
    cpus : int
        How many slots the queue has.
    """

    def __init__(self, cpus: int = CPUS) -> None:
        need("sge_qmaster", "sge_execd", "qsub", "qstat", "qconf", "gcc", "setpriv")
        try:
            socket.gethostbyname(socket.gethostname())
        except OSError:
            raise Unavailable("the name of this host has no address") from None
        super().__init__("sge")
        self._cpus = cpus
        self.name = "localhost"
        try:
            self._lay_out()
            self.start_master()
            self.start_node()
            self._configure()
        except BaseException:
            self.stop()
            raise

    def _lay_out(self) -> None:
        root, cell, spool = self.folder, self.folder / "default", self.folder / "spool"
        for place in (cell / "common", spool / "qmaster" / "job_scripts", spool / "execd"):
            place.mkdir(parents=True)
        arch = self.ask(str(_SHARE / "util" / "arch")).strip()
        for name in ("bin", "lib", "utilbin"):
            (root / name).mkdir()
            (root / name / arch).symlink_to(_LIB)
        (root / "util").symlink_to(_SHARE / "util")
        (root / "mpi").symlink_to(_SHARE / "mpi")
        master, node = free_ports(2)
        self.environment = {
            "SGE_ROOT": str(root),
            "SGE_CELL": "default",
            "SGE_QMASTER_PORT": str(master),
            "SGE_EXECD_PORT": str(node),
            "SGE_CLUSTER_NAME": root.name,
        }
        common = cell / "common"
        values = {"root": root, "cell": cell, "spool": spool, "name": self.name}
        (common / "bootstrap").write_text(_BOOTSTRAP.format(**values))
        (common / "act_qmaster").write_text("localhost\n")
        # whatever address this host's name has, all say localhost and mean 127.0.0.1
        names = {"localhost": None, socket.gethostname(): None, socket.getfqdn(): None}
        (common / "host_aliases").write_text(" ".join(names) + "\n")
        configuration = (_SHARE / "default-configuration").read_text()
        for key, value in _CONFIGURATION.items():
            configuration = re.sub(
                rf"^{key}\s.*$", f"{key} {value.format(**values)}", configuration, flags=re.M
            )
        (root / "configuration").write_text(configuration)
        self.ask(
            str(_LIB / "spoolinit"), "classic", "libspoolc", f"{common};{spool}/qmaster", "init"
        )
        resources = _SHARE / "util" / "resources"
        for words in (
            ("configuration", str(root / "configuration")),
            ("complexes", str(resources / "centry")),
            ("usersets", str(resources / "usersets")),
            ("adminhosts", self.name),
            ("managers", "root"),
        ):
            self.ask(str(_LIB / "spooldefaults"), *words)

    def start_master(self) -> None:
        """Start sge_qmaster, and wait until it answers."""
        self._spawn("sge_qmaster", environment={"SGE_ND": "1", **self._tie_to_loopback()})
        until(lambda: self.ask("qconf", "-sh", check=False), "sge_qmaster")

    def start_node(self) -> None:
        """Start sge_execd, and wait until the master knows it."""
        self._spawn("sge_execd", environment={"SGE_ND": "1", **self._tie_to_loopback()})
        until(lambda: self.ask("qconf", "-sel", check=False).strip(), "sge_execd")

    def _configure(self) -> None:
        queue = {
            key: value.format(name=self.name, cpus=self._cpus) for key, value in _QUEUE.items()
        }
        self.ask("qconf", "-as", self.name)
        self._change("-sq", "-Aq", queue)
        self._change("-ssconf", "-Msconf", _SCHEDULE)

    def _change(self, show: str, store: str, values: Mapping[str, str]) -> None:
        """Store what the master shows, with some values changed."""
        text = self.ask("qconf", show)
        for key, value in values.items():
            text = re.sub(rf"^{key}\s.*$", f"{key} {value}", text, flags=re.M)
        path = self.folder / "changed"
        path.write_text(text)
        self.ask("qconf", store, str(path))

    def kill_controller(self) -> None:
        """End sge_qmaster at once; its state lies in the folder."""
        self._kill("sge_qmaster")

    def start_controller(self) -> None:
        """Start sge_qmaster again."""
        self.start_master()

    def kill_node(self) -> None:
        """End sge_execd at once; running jobs have a process of their own that stays."""
        self._kill("sge_execd")

    def freeze_controller(self) -> None:
        """Let sge_qmaster answer nothing."""
        self._freeze("sge_qmaster")

    def thaw_controller(self) -> None:
        """Let sge_qmaster answer again."""
        self._thaw("sge_qmaster")

    def limit(self, number: int) -> None:
        """Accept no more jobs of one user than this; 0 for any number."""
        text = re.sub(r"(?m)^max_u_jobs .*$", f"max_u_jobs {number}", self.ask("qconf", "-sconf"))
        (self.folder / "global").write_text(text)
        self.ask("qconf", "-Mconf", str(self.folder / "global"))

    def release(self, *jobs: int) -> None:
        """Let held jobs run."""
        self.ask("qrls", *map(str, jobs), check=False)  # one may have ended

    def jobs(self) -> list[int]:
        """Numbers of the jobs that wait or run."""
        lines = self.ask("qstat", "-u", "*").splitlines()[2:]
        return [int(line.split()[0]) for line in lines]

    def cancel(self, *jobs: int) -> None:
        """Cancel jobs."""
        self.ask("qdel", *map(str, jobs), check=False)

    def empty(self) -> None:
        """Cancel all jobs and wait until none is left."""
        if jobs := self.jobs():
            self.cancel(*jobs)
        until(lambda: not self.jobs(), "the end of all jobs")

    def tells(self) -> str:
        """Return all that any user can be told of jobs."""
        jobs = ",".join(map(str, self.jobs()))
        found = self.ask("qstat", "-j", jobs, check=False) if jobs else ""
        with contextlib.suppress(RuntimeError):
            found += self.ask("qacct", "-j")
        return found


__all__ = ["GridEngine", "Unavailable"]
