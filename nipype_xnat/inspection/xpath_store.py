"""The documents of many subjects, asked by XPath: ``interface.xpath``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..address import Address
from ..errors import UsageError
from ..select.element import Archive
from ..tables import rows
from ..transport import Request

if TYPE_CHECKING:
    from lxml import etree

__all__ = ["XpathStore"]

_SUBJECT = "xnat:Subject"


class XpathStore:
    """Documents of subjects that were checked out, kept in memory (needs lxml).

    Called with an XPath expression it returns what that finds in all of them.

    Parameters
    ----------
    archive : Interface

    Examples
    --------
    >>> interface.xpath.checkout("P")  # doctest: +SKIP
    >>> interface.xpath("//xnat:scan/@type")  # doctest: +SKIP
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._documents: dict[str, etree._Element] = {}

    def __call__(self, xpath: str) -> list[Any]:
        """Return what an XPath expression finds, document by document."""
        return [
            found
            for document in self._documents.values()
            for found in document.getroottree().xpath(xpath, namespaces=_prefixes(document))
        ]

    def checkout(
        self, project: str | None = None, subjects: str | Iterable[str] | None = None
    ) -> None:
        """Fetch the documents of a project's subjects, or of some subjects; one request each.

        Parameters
        ----------
        project : str, optional
        subjects : str or iterable of str, optional
            Ids.

        Raises
        ------
        NotFound
        """
        if subjects is None:
            if project is None:
                raise UsageError("checkout() takes a project or subjects")
            address = Address.of("data", "projects", project, "subjects").ask(
                columns="ID", format="json"
            )
            answer = self._archive.transport.send(Request("GET", address, expect="json"))
            subjects = [row["ID"] for row in rows(answer)]
        self._fetch([subjects] if isinstance(subjects, str) else subjects)

    def update(self) -> None:
        """Fetch the documents that are here again."""
        self._fetch(list(self._documents), fresh=True)

    def _fetch(self, subjects: Iterable[str], fresh: bool = False) -> None:
        try:
            from lxml import etree
        except ImportError:
            raise UsageError("interface.xpath needs lxml", advice="pip install lxml") from None
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        for subject in subjects:
            address = Address.of("data", "subjects", subject).ask(format="xml")
            request = Request("GET", address, expect="xml", fresh=fresh)
            document = self._archive.transport.send(request).read()
            self._documents[subject] = etree.fromstring(document, parser)

    # -- subjects

    def subject(self, subject_id: str) -> etree._Element | None:
        """Return the document of a subject, None where it was not checked out."""
        return self._documents.get(subject_id)

    def subjects(self) -> list[str]:
        """Return the ids of the subjects that were checked out."""
        return list(self._documents)

    def keys(self) -> list[str]:
        """Return the names of the subjects' own attributes."""
        return self.element_keys(_SUBJECT)

    def values(self, key: str) -> list[str]:
        """Return the values that an attribute of the subjects takes."""
        return self.element_values(_SUBJECT, key)

    def attrs(self) -> list[dict[str, str]]:
        """Return the attributes of each subject."""
        return self.element_attrs(_SUBJECT)

    # -- what is in their documents

    def elements(self) -> list[str]:
        """Return the names of all elements below the subjects, such as ``xnat:voxelRes``."""
        found: dict[str, None] = {}
        for document in self._documents.values():
            prefixes = {uri: prefix for prefix, uri in _prefixes(document).items()}
            for node in document.iterdescendants("{*}*"):
                uri, _, name = str(node.tag)[1:].partition("}")
                found[f"{prefixes.get(uri, '')}:{name}"] = None
        return list(found)

    def element_attrs(self, name: str) -> list[dict[str, str]]:
        """Return the attributes of each element of a name."""
        return [dict(node.attrib) for node in self(f"//{name}")]

    def element_keys(self, name: str) -> list[str]:
        """Return the names of the attributes that elements of a name have."""
        return list(dict.fromkeys(key for node in self(f"//{name}") for key in node.attrib))

    def element_values(self, name: str, key: str) -> list[str]:
        """Return the values that an attribute of elements of a name takes."""
        found = (node.get(key) for node in self(f"//{name}"))
        return list(dict.fromkeys(value for value in found if value is not None))

    def element_text(self, name: str) -> list[str]:
        """Return the texts of the elements of a name."""
        return list(dict.fromkeys(str(text) for text in self(f"//{name}/child::text()")))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_documents": {}}

    def __repr__(self) -> str:
        return f"<XpathStore {len(self._documents)} subjects>"


def _prefixes(document: etree._Element) -> dict[str, str]:
    return {prefix: uri for prefix, uri in document.nsmap.items() if prefix}
