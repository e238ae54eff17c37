"""Files kept between runs: by digest, shared by processes and machines, right without locks."""

from .answers import RememberingTransport
from .known import Known
from .partial import Partial
from .policy import Mode
from .store import Cache, Verified

__all__ = ["Cache", "Known", "Mode", "Partial", "RememberingTransport", "Verified"]
