"""nipype_xnat connects Nipype workflows to XNAT imaging archives.

:class:`Interface` is the core client, for a prompt or a script; :class:`XNATSource`,
:class:`XNATSink` and :class:`XNATQuery` are Nipype interfaces on top of it. Nipype takes half a
second to import, so the interfaces are resolved on first use.
"""

from ._version import __version__

__all__ = ["__version__"]
