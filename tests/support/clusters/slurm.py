"""SLURM: one node on the loopback interface, from Debian's packages."""

from __future__ import annotations

import re
import socket
import time

from support.clusters.daemons import CPUS, Cluster, Unavailable, free_ports, need, until

_CONF = """\
ClusterName=test
SlurmctldHost={name}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CryptoType=crypto/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/completed
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_min_interval=10000
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
MailProg=/bin/true
MinJobAge=300
KillWait=1
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldTimeout=60
SlurmdTimeout=300
NodeName={name} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes={name} Default=YES MaxTime=INFINITE State=UP
"""


class Slurm(Cluster):
    """A controller, a node and what they trust each other by.

    Parameters
    ----------
    cpus : int
        How many processors the node declares.
    """

    def __init__(self, cpus: int = CPUS) -> None:
        need("slurmctld", "slurmd", "sbatch", "squeue", "munged", "mungekey", "gcc", "setpriv")
        super().__init__("slurm")
        self._cpus = cpus
        try:
            self._configure()
            self.start_munge()
            self.start_controller()
            self.start_node()
        except BaseException:
            self.stop()
            raise

    def _configure(self) -> None:
        for name in ("munge", "state", "spool"):
            (self.folder / name).mkdir(mode=0o755)
        controller, node = free_ports(2)
        conf = self.folder / "slurm.conf"
        conf.write_text(
            _CONF.format(
                name=socket.gethostname().partition(".")[0],
                folder=self.folder,
                controller=controller,
                node=node,
                cpus=self._cpus,
            )
        )
        self.environment = {"SLURM_CONF": str(conf)}

    def start_munge(self) -> None:
        """Start what signs the messages."""
        munge = self.folder / "munge"
        self.ask("mungekey", "-c", "-k", str(munge / "key"))
        names = {"key": "key-file", "socket": "socket", "pid": "pid-file"}
        names |= {"log": "log-file", "seed": "seed-file"}
        words = [f"--{option}={munge / name}" for name, option in names.items()]
        self._spawn("munged", "--foreground", "--num-threads=2", *words)
        until((munge / "socket").exists, "the socket of munge")

    def start_controller(self) -> None:
        """Start slurmctld, and wait until it answers."""
        self._spawn("slurmctld", "-D", environment=self._tie_to_loopback())
        until(lambda: " UP" in self.ask("scontrol", "ping", check=False), "slurmctld")

    def start_node(self) -> None:
        """Start slurmd, and wait until the controller gives it work."""
        self._spawn("slurmd", "-D", environment=self._tie_to_loopback())
        until(lambda: self._node_state() in ("idle", "mix", "alloc"), "slurmd")

    def _node_state(self) -> str:
        return self.ask("sinfo", "-h", "-o", "%t", check=False).strip()

    def kill_controller(self) -> None:
        """End slurmctld at once, when it has written down what it knows now.

        It does so every few seconds; what it did not write it would forget, and give the numbers of
        forgotten jobs to new ones, which the node's daemon refuses.
        """
        state, now = self.folder / "state" / "job_state", time.time()
        until(lambda: state.exists() and state.stat().st_mtime > now, "slurmctld's state")
        self._kill("slurmctld")

    def kill_node(self) -> None:
        """End slurmd at once; running jobs have a process of their own that stays."""
        self._kill("slurmd")

    def freeze_controller(self) -> None:
        """Let slurmctld answer nothing."""
        self._freeze("slurmctld")

    def thaw_controller(self) -> None:
        """Let slurmctld answer again."""
        self._thaw("slurmctld")

    def limit(self, number: int) -> None:
        """Accept no more jobs than this; 0 for as many as by default."""
        conf = self.folder / "slurm.conf"
        text = re.sub(r"(?m)^(MaxJobCount|MinJobAge)=.*\n", "", conf.read_text())
        # an ended job counts until it is forgotten
        text += f"MaxJobCount={number or 10000}\nMinJobAge={5 if number else 300}\n"
        conf.write_text(text)
        self._kill("slurmctld")
        self.start_controller()

    def release(self, *jobs: int) -> None:
        """Let held jobs run."""
        self.ask("scontrol", "release", *map(str, jobs), check=False)  # one may have ended

    def jobs(self) -> list[int]:
        """Numbers of the jobs that wait or run."""
        return [int(line) for line in self.ask("squeue", "-h", "-o", "%i").split()]

    def cancel(self, *jobs: int) -> None:
        """Cancel jobs."""
        self.ask("scancel", *map(str, jobs))

    def empty(self) -> None:
        """Cancel all jobs and wait until none is left."""
        if jobs := self.jobs():
            self.cancel(*jobs)
        until(lambda: not self.jobs(), "the end of all jobs")

    def tells(self) -> str:
        """Return all that any user can be told of jobs."""
        return self.ask("scontrol", "-d", "show", "job") + self.ask("squeue", "-o", "%all")


__all__ = ["Slurm", "Unavailable"]
