"""The seam: everything that talks to an archive sends a Request and gets an Answer.

Nothing above this package knows which archive answers, or how.
"""

from .credentials import Credentials
from .http import HttpTransport
from .request import Answer, Around, Body, Request, Transport
from .slots import MACHINE_CONNECTIONS

__all__ = [
    "MACHINE_CONNECTIONS",
    "Answer",
    "Around",
    "Body",
    "Credentials",
    "HttpTransport",
    "Request",
    "Transport",
]
