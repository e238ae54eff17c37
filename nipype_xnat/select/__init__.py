"""Selecting: the path language, its plan of requests, and the elements that it finds."""

__all__ = ["compute"]


def compute(path: str) -> list[str]:
    """Return the complete paths that a select path stands for, as texts; nothing is asked.

    Parameters
    ----------
    path : str
        With levels that lack their names, singular or plural, with ``//`` where levels are left
        out.

    Examples
    --------
    >>> compute("/projects/P/subject")
    ['/project/P/subjects/*']
    """
    from .grammar import parse

    return [str(found) for found in parse(path)]
