"""The proof that an archive holds what a workflow made."""

from __future__ import annotations

import filecmp
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from nipype_xnat import Interface, config, transfer
from nipype_xnat.cache.hashing import md5_of
from nipype_xnat.demo.running import Say, Session, connect, count, say
from nipype_xnat.errors import XNATError
from nipype_xnat.records import Record


def prove(named: Mapping[str, str], done: Iterable[Session], tell: Say = say) -> bool:
    """Check the archive by :func:`compare`, say what came of it, and return whether all is well.

    Offline that is what waits to be pushed.
    """
    if config.offline():
        return _prove_waiting(done, tell)
    try:
        by_bytes, by_digest, wrong = compare(named, done)
    except (XNATError, OSError) as error:
        tell("NOT CHECKED whether the archive holds what the workflow made:")
        tell(f"  {error}")
        return False
    for problem in wrong:
        tell(f"  WRONG: {problem}")
    if by_bytes + by_digest and not wrong:
        tell(
            "Checked by another connection: the archive holds what the workflow made "
            f"({by_bytes} files compared byte for byte, {by_digest} by digest)."
        )
    return not wrong


def _prove_waiting(done: Iterable[Session], tell: Say) -> bool:
    from nipype_xnat.mirror.outbox import Files, Outbox  # needs the local archive, an extra

    mirror = config.mirror_folder()
    outbox = Outbox(config.outbox_folder(None, mirror))
    waiting = {
        (entry.what.owner.get("experiment_label"), entry.what.resource, path): digest
        for entry in outbox.waiting()
        if isinstance(entry.what, Files)
        for path, digest in entry.what.digests.items()
    }
    wrong, number = 0, 0
    for session in done:
        for entry in session.stored:
            if str(entry["action"]) == "keep":
                continue
            number += 1
            label = str(entry["address"]).rpartition("/resources/")[2].partition("/files/")[0]
            key = (session.record["experiment_label"], label, str(entry["path"]))
            if waiting.get(key) != md5_of(Path(entry["source"])):
                wrong += 1
                tell(f"  WRONG: {entry['address']} does not wait in {outbox.root}")
    if number and not wrong:
        tell(
            f"Working offline: {count(number, 'file')} wait in {outbox.root}, compared by digest; "
            f"to send them: nipype-xnat push {mirror}"
        )
    return not wrong


def compare(named: Mapping[str, str], done: Iterable[Session]) -> tuple[int, int, list[str]]:
    """Ask the archive, with a connection of its own, whether it holds what the workflow made.

    What was sent now is fetched back and compared byte for byte; what was there before is
    compared by size and the digest that the archive computed.

    Returns
    -------
    tuple of int, int, list of str
        Files compared by bytes, files compared by digest, and what is wrong.
    """
    wrong: list[str] = []
    sent: list[tuple[Record, Path]] = []
    kept = 0
    with tempfile.TemporaryDirectory() as place, connect(named, Path(place)) as fresh:
        for session in done:
            listed = _listed(fresh, session)
            for entry in session.stored:
                source = Path(entry["source"])
                record = listed.get((str(entry["resource_id"]), str(entry["path"])))
                if record is None:
                    wrong.append(f"{entry['address']} is not listed")
                elif str(entry["action"]) != "keep":
                    sent.append((record, source))
                else:
                    kept += 1
                    if (record.size, record.digest) != (source.stat().st_size, md5_of(source)):
                        wrong.append(f"{entry['address']} differs from {source}")
        fetched = transfer.fetch(fresh.transport, [record for record, _ in sent], fresh.cache)
        for got, (record, source) in zip(fetched, sent, strict=True):
            if not filecmp.cmp(got.path, source, shallow=False):
                wrong.append(f"{record.place} differs from {source}")
    return len(sent), kept, wrong


def _listed(archive: Interface, session: Session) -> dict[tuple[str, str], Record]:
    identity = session.record["experiment_id"]
    labels = {str(entry["address"]).rpartition("/resources/")[2] for entry in session.stored}
    names = sorted({label.partition("/files/")[0] for label in labels})
    found = {}
    for name in names:
        path = f"/experiments/{identity}/resources/{name}/files"
        for record in archive.select(path).records():
            found[record.resource_id, record.path] = record
    return found
