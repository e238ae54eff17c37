"""What went wrong in a node: picked out of the traceback or the crash file that Nipype kept."""

from __future__ import annotations

import re

from .. import errors

__all__ = ["error_of"]

_ERROR = re.compile(
    # an error of this package or one that is named as such, or any that a module names
    rf"(?:(?:[\w.]+\.)?(?P<kind>{'|'.join(sorted(errors.__all__, key=len, reverse=True))}"
    r"|\w*(?:Error|Exception|Pool|Exit|Interrupt))|(?:\w+\.)+(?P<other>[A-Z]\w*))"
    r"(?:: (?P<words>.*))?$"
)
_NEXT = ("Traceback (", "During handling of", "The above exception", "When creating this crash")


def error_of(text: str) -> str:
    """Pick the error out: what a program wrote to standard error, else the last one raised.

    An error's further lines, such as its advice, are part of it.

    Parameters
    ----------
    text : str
        A traceback, or a crash file.

    Returns
    -------
    str
        Empty if there is none.
    """
    said = re.search(
        r"\n\s*(?:Standard error|Stderr):\n(.*?)(?:\n\s*(?:Return code|Traceback):|\Z)", text, re.S
    )
    lines = [line.strip() for line in (said[1] if said else "").splitlines() if line.strip()]
    if lines:
        return "\n".join(lines[-1:] if lines[0].startswith(_NEXT) else lines)[:2000]
    lines = text.splitlines()
    last = max((i for i, line in enumerate(lines) if _ERROR.match(line.strip())), default=None)
    if last is None:
        return ""
    first = lines[last].strip()
    depth = len(lines[last]) - len(lines[last].lstrip())
    more = []
    for line in lines[last + 1 :]:
        if line.strip().startswith(_NEXT):
            break
        more.append(line[depth:].rstrip())
    found = _ERROR.match(first)
    kind = f"{found['kind'] or found['other']}: {found['words'] or ''}" if found else first
    return "\n".join([kind, *more]).strip()[:2000]
