"""Files kept between runs: by digest, shared by processes and machines, right without locks."""

from .answers import RememberingTransport
from .care import Pruned, Verified
from .known import Known
from .partial import Partial
from .policy import Mode
from .store import Cache

__all__ = ["Cache", "Known", "Mode", "Partial", "Pruned", "RememberingTransport", "Verified"]
