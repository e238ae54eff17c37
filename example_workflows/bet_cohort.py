"""Extract the brains of a cohort: out of an archive, through FSL's BET, and back.

The sessions of subjects over 80 are asked for, each one's T1w is fetched, Nipype's own BET extracts
the brain, and brain and mask are stored as a resource of the session::

    python bet_cohort.py --server https://xnat.example.org --project IXI

The account comes from netrc, or from the file that --config names. Run again, only what is new or
changed is fetched, computed and stored.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nipype import Node, Workflow
from nipype.interfaces import fsl

from nipype_xnat import Cohort, Interface, XNATSink, XNATSource, cohort_workflow, transfer
from nipype_xnat.cohort import found_of
from nipype_xnat.demo import bet as stand_in
from nipype_xnat.demo import proof, report, running
from nipype_xnat.demo.pictures import volume_ml
from nipype_xnat.errors import XNATError

NAME = "bet_cohort"


def build(
    cohort: Cohort, archive: Mapping[str, Any], work: str | Path, *, frac: float = 0.5
) -> Workflow:
    """Make the workflow: source, BET and sink for each session.

    Parameters
    ----------
    cohort : Cohort
        What ``Interface.cohort`` gave for a template called ``t1``.
    archive : mapping
        How the nodes name the archive: ``server`` or ``config``, and ``cache_dir``.
    work : path
        Working directory.
    frac : float
        BET's fractional intensity threshold.
    """

    def one_session(record: Mapping[str, Any]) -> Workflow:
        source = Node(XNATSource(outfields=["t1"], **archive), name="source")
        source.inputs.record = dict(record)
        bet = Node(fsl.BET(mask=True, frac=frac, output_type="NIFTI_GZ"), name="bet", mem_gb=1)
        sink = Node(XNATSink(format="NIFTI", content="BRAIN", **archive), name="sink")
        session = Workflow(name=record["name"])
        session.connect(
            [
                (source, bet, [("t1", "in_file")]),
                (
                    source,
                    sink,
                    [
                        ("project_id", "project_id"),
                        ("subject_id", "subject_id"),
                        ("experiment_id", "experiment_id"),
                    ],
                ),
                (bet, sink, [("out_file", "BET"), ("mask_file", "BET.@mask")]),
            ]
        )
        return session

    return cohort_workflow(NAME, cohort, one_session, base_dir=work)


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a program; return 0 if each selected session came through or is explained."""
    args = _options().parse_args(argv)
    named = running.connection(args)
    tool = which_bet()
    os.environ.setdefault("FSLOUTPUTTYPE", "NIFTI_GZ")  # else Nipype warns, once a node
    begun = time.monotonic()

    with running.connect(named) as archive:
        running.say(f"Asking {archive.server} for {args.project}: {args.criteria}")
        cohort = archive.cohort({"t1": running.template(args)}, criteria=args.criteria or None)
        if args.session:
            cohort = cohort.only(*args.session)
        cache = archive.cache
        absent = running.absent(cache, cohort)
        people = running.ages(archive, args.criteria or None)
        truths = _truths(archive, args, cohort)
    chosen = f"{len(cohort) + len(cohort.missing)} sessions selected"
    running.say(f"{chosen}, {len(cohort)} with the wanted image; {tool}")
    for lost in cohort.missing:
        running.say(f"  not delivered: {lost}")
    if not cohort:
        running.say("There is nothing to do.")
        return 1

    with running.folder.claimed(args.work) as folder, running.for_jobs(args, named) as jobs:
        workflow = build(cohort, jobs, folder, frac=args.frac)
        done = running.run(workflow, [record["name"] for record in cohort], args, main="bet")
        nodes = ("source", "sink")
        sessions = list(running.sessions(workflow, cohort, done, main="bet", nodes=nodes))

        rows = [_row(session, people, truths) for session in sessions]
        rows += [
            report.Row(
                lost.record.subject_label,
                lost.record.experiment_label,
                people.get(lost.record.experiment_id, (None, ""))[1],
                people.get(lost.record.experiment_id, (None, ""))[0],
                problems=(lost.reason,),
            )
            for lost in cohort.missing
        ]
        running.say("")
        running.say(_table(rows, sessions))
        running.say("")
        running.tell_failures(sessions)
        downloaded = len(absent - running.absent(cache, cohort))
        work = running.Work.of(sessions, downloaded, done.crashes)
        running.say(str(work))
        page = report.write(
            args.report,
            rows,
            title=f"Brains of {args.project}",
            tool=f"{tool}.",
            facts={
                "Selected by": args.criteria or "everything",
                "Work": str(work),
                "Took": f"{time.monotonic() - begun:.0f} s",
            },
        )
        running.say(f"Report: {page}")
        # last: an archive that is gone by now takes nothing of the above away
        proven = proof.prove(named, [session for session in sessions if not session.failure])
    return 0 if proven and not done.failures else 1


def which_bet() -> str:
    """Say in a sentence which ``bet`` will run.

    Raises
    ------
    XNATError
        If there is none on the PATH.
    """
    found = shutil.which("bet")
    if found is None:
        raise XNATError(
            "there is no program called bet on the PATH",
            advice="install FSL, or take the stand-in of the demo: python -c "
            "\"from nipype_xnat.demo.bet import install; install('bin')\", and put bin on the PATH",
        )
    if stand_in.is_stand_in(found):
        return (
            f"bet is the demo's stand-in, {found}: an affine template mask by niimath, "
            "not FSL's algorithm"
        )
    return f"bet is {found}"


def _options() -> argparse.ArgumentParser:
    parser = running.options((__doc__ or "").partition("\n")[0], NAME)
    parser.add_argument(
        "--frac", type=float, default=0.5, help="larger gives smaller brains (default: %(default)s)"
    )
    parser.add_argument(
        "--report",
        type=Path,
        default=Path(f"{NAME}.html"),
        help="the HTML page to write (default: %(default)s)",
    )
    parser.add_argument(
        "--truth",
        default="",
        help="label of a resource of the sessions with true brain masks, to compare with",
    )
    return parser


def _truths(archive: Interface, args: argparse.Namespace, cohort: Cohort) -> dict[str, Path]:
    """Fetch true masks, where the archive has such, by the session's id."""
    if not args.truth:
        return {}
    path = f"/projects/{args.project}/experiments/*/resources/{args.truth}/files/*"
    wanted = {record["experiment_id"] for record in cohort}
    known = archive.cohort({"truth": path}, criteria=args.criteria or None)
    records = [found_of(one, "truth")[0].record for one in known if one["experiment_id"] in wanted]
    fetched = transfer.fetch(archive.transport, records, archive.cache)
    return {
        got.record.experiment_id: next(
            iter(
                transfer.deliver(
                    [got], archive.cache, f"{got.record.experiment_label}-truth"
                ).values()
            )
        )
        for got in fetched
    }


def _row(
    session: running.Session,
    people: Mapping[str, tuple[int | None, str]],
    truths: Mapping[str, Path],
) -> report.Row:
    identity = session.record["experiment_id"]
    age, sex = people.get(identity, (None, ""))
    names = session.record["subject_label"], session.record["experiment_label"]
    if session.failure:
        return report.Row(*names, sex, age, problems=(str(session.failure),))
    mask = Path(session.outputs["bet"]["mask_file"])
    return report.Row(
        *names,
        sex,
        age,
        head=Path(session.outputs["source"]["t1"]),
        mask=mask,
        truth=truths.get(identity),
        volume=volume_ml(mask),
        stored=session.place,
    )


def _table(rows: Sequence[report.Row], sessions: Sequence[running.Session]) -> str:
    short = {one.record["experiment_label"]: one.failure.short for one in sessions if one.failure}
    return running.table(
        ("Subject", "Age", "Session", "Brain, ml", "Stored at"),
        [
            (
                row.subject,
                "" if row.age is None else f"{row.age:g}",
                row.session,
                "" if row.volume is None else f"{row.volume:,.0f}",
                row.stored or f"({short.get(row.session, '; '.join(row.problems))})",
            )
            for row in rows
        ],
    )


if __name__ == "__main__":
    running.program(lambda: main(sys.argv[1:]))
