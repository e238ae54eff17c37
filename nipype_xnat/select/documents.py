"""XML documents of elements: read, changed in place, and written with their own prefixes."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from xml.sax.saxutils import quoteattr

from ..errors import UnreadableAnswer, UsageError

__all__ = ["PROV", "XNAT", "Document", "namespaces_of", "with_label"]

XNAT = "http://nrg.wustl.edu/xnat"
PROV = "http://www.nbirn.net/prov"

_ROOT = re.compile(r"<(?![?!])[^>]*>")
_LABEL = re.compile(r"""(\slabel\s*=\s*)("[^"]*"|'[^']*')""")


class Document:
    """An XML document that an archive sent.

    Parameters
    ----------
    text : str

    Raises
    ------
    UnreadableAnswer
        If it is no XML.
    """

    def __init__(self, text: str) -> None:
        for prefix, uri in namespaces_of(text).items():
            ET.register_namespace(prefix, uri)
        try:
            self.root = ET.fromstring(text)  # noqa: S314
        except (ET.ParseError, ValueError) as error:
            raise UnreadableAnswer(f"the server's document is no XML: {error}") from error

    def all(self, name: str, below: ET.Element | None = None) -> list[ET.Element]:
        """Return all elements of one of XNAT's names, at any depth."""
        return list((self.root if below is None else below).iter(f"{{{XNAT}}}{name}"))

    def text(self) -> str:
        """Return the document as it is now."""
        return ET.tostring(self.root, encoding="unicode")


def namespaces_of(text: str) -> dict[str, str]:
    """Return the namespaces that a document declares, by their prefixes.

    Raises
    ------
    UnreadableAnswer
        If it is no XML.
    """
    source = io.BytesIO(text.encode())
    try:
        # expat expands no external entities
        found = [pair for _, pair in ET.iterparse(source, ["start-ns"])]  # noqa: S314
    except (ET.ParseError, ValueError) as error:
        raise UnreadableAnswer(f"the server's document is no XML: {error}") from error
    return dict(found)


def with_label(text: str, label: str) -> str:
    """Return a document whose root has a label, all else as it was.

    Raises
    ------
    UsageError
        If it is no XML.
    """
    try:
        ET.fromstring(text)  # noqa: S314
    except (ET.ParseError, ValueError) as error:
        raise UsageError(f"the document is no XML: {error}") from error
    found = _ROOT.search(text)
    assert found is not None
    tag = found.group(0)
    if _LABEL.search(tag):
        changed = _LABEL.sub(lambda match: match.group(1) + quoteattr(label), tag, count=1)
    else:
        end = -2 if tag.endswith("/>") else -1
        changed = f"{tag[:end]} label={quoteattr(label)}{tag[end:]}"
    return text[: found.start()] + changed + text[found.end() :]
