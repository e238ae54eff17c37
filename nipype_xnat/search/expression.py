"""Criteria as Python expressions."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import CriteriaError
from .criteria import Criteria, Criterion, parse

__all__ = ["F"]


class F:
    """A field in a Python expression; comparing it makes a criterion, and asks nothing.

    Parameters
    ----------
    name : str
        Data type and field.

    Examples
    --------
    >>> age = F("xnat:mrSessionData/AGE")
    >>> print((age > 80) & ~(F("xnat:subjectData/HANDEDNESS") == "left"))
    xnat:mrSessionData/AGE > 80 and xnat:subjectData/HANDEDNESS != left
    >>> print(age.between(20, 30))
    xnat:mrSessionData/AGE >= 20 and xnat:mrSessionData/AGE <= 30
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_null()  # a name that is no field is told here

    def _compare(self, operator: str, value: object) -> Criterion:
        if value is None:
            raise CriteriaError(
                f"{self.name} {operator} None", advice="use is_null() or is_not_null()"
            )
        member = parse([(self.name, operator, value), "AND"]).members[0]
        assert isinstance(member, Criterion)
        return member

    def __eq__(self, value: object) -> Criterion:  # type: ignore[override]
        return self._compare("=", value)

    def __ne__(self, value: object) -> Criterion:  # type: ignore[override]
        return self._compare("!=", value)

    def __lt__(self, value: object) -> Criterion:
        return self._compare("<", value)

    def __le__(self, value: object) -> Criterion:
        return self._compare("<=", value)

    def __gt__(self, value: object) -> Criterion:
        return self._compare(">", value)

    def __ge__(self, value: object) -> Criterion:
        return self._compare(">=", value)

    __hash__ = None  # type: ignore[assignment]

    def like(self, pattern: str) -> Criterion:
        """Match a text; ``%`` or ``*`` stands for any characters, case does not matter."""
        return self._compare("LIKE", pattern)

    def is_in(self, values: Iterable[object]) -> Criteria:
        """Match any of some values.

        An OR of equalities: XNAT's own IN replaces what stands beside it.
        """
        found = tuple(self._compare("=", value) for value in values)
        if not found:
            raise CriteriaError(f"{self.name} is in an empty list, which nothing is")
        return Criteria("OR", found)

    def between(self, low: object, high: object) -> Criteria:
        """Match values from ``low`` to ``high``, both included."""
        return (self >= low) & (self <= high)

    def is_null(self) -> Criterion:
        """Match where there is no value."""
        return self._compare("IS NULL", "")

    def is_not_null(self) -> Criterion:
        """Match where there is a value."""
        return self._compare("IS NOT NULL", "")

    def __repr__(self) -> str:
        return f"F({self.name!r})"
