"""Reconstruct the cortical surfaces of a cohort: out of an archive, through recon-all, and back.

The sibling of bet_cohort.py for FreeSurfer: each session's T1w goes through recon-all (hours, so
rather on a cluster), and what it makes is stored as the resource FREESURFER of the session::

    python recon_all_cohort.py --server https://xnat.example.org --project IXI \\
        --plugin SLURM --plugin-args '{"sbatch_args": "--time=24:00:00 --mem=8G"}'

The account comes from netrc, or from the file that --config names. Run again, only what is new or
changed is fetched, computed and stored.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nipype import Function, Node, Workflow
from nipype.interfaces.freesurfer import ReconAll

from nipype_xnat import Cohort, XNATSink, XNATSource, cohort_workflow
from nipype_xnat.demo import proof, running
from nipype_xnat.errors import XNATError

NAME = "recon_all_cohort"


KEPT = ("mri", "surf", "label", "stats")


def parts_of(subjects_dir: str, subject_id: str) -> tuple[list[str], ...]:
    """Return the folders of a subject that are worth keeping, and the log, as far as they exist.

    Not all of ``scripts``: recon-all.env holds the whole environment of whoever ran it. Nipype
    copies the text of this function to where it runs, so it imports what it needs itself.
    """
    from pathlib import Path

    subject = Path(subjects_dir) / subject_id
    if not (subject / "scripts" / "recon-all.done").exists():
        raise RuntimeError(f"recon-all did not finish in {subject}")
    wanted = ("mri", "surf", "label", "stats", "scripts/recon-all.log")
    return tuple([str(subject / part)] if (subject / part).exists() else [] for part in wanted)


def build(
    cohort: Cohort,
    archive: Mapping[str, Any],
    work: str | Path,
    *,
    directive: str = "all",
    threads: int = 1,
) -> Workflow:
    """Make the workflow: source, recon-all and sink for each session.

    Parameters
    ----------
    cohort : Cohort
        What ``Interface.cohort`` gave for a template called ``t1``.
    archive : mapping
        How the nodes name the archive: ``server`` or ``config``, and ``cache_dir``.
    work : path
        Working directory.
    directive : str
        Which stages: ``all``, ``autorecon1``, ...
    threads : int
        Of one recon-all.
    """

    def one_session(record: Mapping[str, Any]) -> Workflow:
        source = Node(XNATSource(outfields=["t1"], **archive), name="source")
        source.inputs.record = dict(record)
        recon = Node(ReconAll(directive=directive), name="recon", n_procs=threads, mem_gb=6)
        # a name of its own: recon-all refuses to start where a subject is known already
        recon.inputs.subject_id = record["name"]
        if threads > 1:
            recon.inputs.openmp = threads
        parts = Node(
            Function(["subjects_dir", "subject_id"], [*KEPT, "log"], parts_of), name="parts"
        )
        sink = Node(XNATSink(content="FREESURFER", **archive), name="sink")
        session = Workflow(name=record["name"])
        session.connect(
            [
                (source, recon, [("t1", "T1_files")]),
                (recon, parts, [("subjects_dir", "subjects_dir"), ("subject_id", "subject_id")]),
                (
                    source,
                    sink,
                    [
                        ("project_id", "project_id"),
                        ("subject_id", "subject_id"),
                        ("experiment_id", "experiment_id"),
                    ],
                ),
                (parts, sink, [(part, f"FREESURFER.{part}") for part in KEPT]),
                (parts, sink, [("log", "FREESURFER.scripts")]),
            ]
        )
        return session

    return cohort_workflow(NAME, cohort, one_session, base_dir=work)


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a program; return 0 if each selected session came through or is explained."""
    args = _options().parse_args(argv)
    named = running.connection(args)
    if shutil.which("recon-all") is None:
        raise XNATError(
            "there is no program called recon-all on the PATH",
            advice="install FreeSurfer and source its SetUpFreeSurfer.sh",
        )
    with running.connect(named) as archive:
        running.say(f"Asking {archive.server} for {args.project}: {args.criteria}")
        cohort = archive.cohort({"t1": running.template(args)}, criteria=args.criteria or None)
        if args.session:
            cohort = cohort.only(*args.session)
        cache = archive.cache
        absent = running.absent(cache, cohort)
    chosen = f"{len(cohort) + len(cohort.missing)} sessions selected"
    running.say(f"{chosen}, {len(cohort)} with the wanted image")
    for lost in cohort.missing:
        running.say(f"  not delivered: {lost}")
    if not cohort:
        running.say("There is nothing to do.")
        return 1

    with running.folder.claimed(args.work) as folder, running.for_jobs(args, named) as jobs:
        workflow = build(cohort, jobs, folder, directive=args.directive, threads=args.threads)
        done = running.run(workflow, [record["name"] for record in cohort], args, main="recon")
        nodes = ("source", "sink")
        sessions = list(running.sessions(workflow, cohort, done, main="recon", nodes=nodes))
        running.say("")
        running.say(
            running.table(
                ("Subject", "Session", "Files", "Stored at"),
                [
                    (
                        session.record["subject_label"],
                        session.record["experiment_label"],
                        "" if session.failure else str(len(session.stored)),
                        f"({session.failure.short})" if session.failure else session.place,
                    )
                    for session in sessions
                ],
            )
        )
        running.say("")
        running.tell_failures(sessions)
        downloaded = len(absent - running.absent(cache, cohort))
        running.say(str(running.Work.of(sessions, downloaded, done.crashes)))
        proven = proof.prove(named, [session for session in sessions if not session.failure])
    return 0 if proven and not done.failures else 1


def _options() -> argparse.ArgumentParser:
    parser = running.options((__doc__ or "").partition("\n")[0], NAME)
    parser.add_argument(
        "--directive", default="all", help="stages of recon-all (default: %(default)s)"
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="threads of one recon-all (default: %(default)s)"
    )
    return parser


if __name__ == "__main__":
    running.program(lambda: main(sys.argv[1:]))
