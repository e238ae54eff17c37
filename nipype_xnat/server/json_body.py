"""JSON that people send: what is read can be kept, and be written again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from nipype_xnat.server.call import HttpFailure


def decoded(data: bytes | str) -> Any:
    """Read JSON.

    Parameters
    ----------
    data : bytes or str

    Returns
    -------
    object

    Raises
    ------
    ValueError
        When it is none, is nested too deeply, or holds what no JSON in UTF-8 can say: halves of
        characters, or numbers that are too large.
    """
    try:
        found = json.loads(data)
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError as error:
        raise ValueError("The body is nested too deeply.") from error
    return found


def text(given: dict[str, Any], name: str) -> str | None:
    """Read a text of a map, which may be written as a number or a truth value too.

    Raises
    ------
    HttpFailure
        When it is a list or a map.
    """
    return _text(given.get(name), name)


def texts(given: dict[str, Any], name: str) -> Sequence[str]:
    """Read a list of texts of a map; there is none where nothing stands.

    Raises
    ------
    HttpFailure
        When it is something else.
    """
    found = given.get(name)
    if found is None:
        return ()
    if not isinstance(found, list):
        raise HttpFailure(400, f"{name} must be a list of texts.")
    read = (_text(one, name) for one in found)
    return [one for one in read if one is not None]


def truth(given: dict[str, Any], name: str) -> bool | None:
    """Read a truth value of a map, which may be written as a number or a text too.

    Raises
    ------
    HttpFailure
        When it is neither true nor false.
    """
    found = given.get(name)
    if found is None or isinstance(found, (bool, int)):
        return None if found is None else bool(found)
    if isinstance(found, str) and found.strip().lower() in {"true", "false"}:
        return found.strip().lower() == "true"
    raise HttpFailure(400, f"{name} must be true or false.")


def _text(value: Any, name: str) -> str | None:
    if isinstance(value, (list, dict)):
        raise HttpFailure(400, f"{name} must be a text.")
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)
