"""What importing costs."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from .figures import Setting, Subject, seconds
from .site import in_turn

CODES = {
    "nothing": "pass",
    "import requests": "import requests",
    "the client": "import nipype_xnat; nipype_xnat.Interface",
    "import nipype.interfaces.base": "import nipype.interfaces.base",
    "the interfaces": "import nipype_xnat; nipype_xnat.XNATSource, nipype_xnat.XNATSink",
    "nipype-xnat --help": (
        "import sys; from nipype_xnat.cli.main import parser; parser().format_help(); "
        "assert 'nipype' not in sys.modules"
    ),
    "import pyxnat": "import pyxnat",
    "import xnat": "import xnat",
    "import networkx": "import networkx",
}
_CHECK = (
    "import sys, nipype_xnat; nipype_xnat.Interface; "
    "print(sorted({'networkx', 'nipype', 'werkzeug', 'sqlalchemy', 'numpy'} & set(sys.modules)))"
)


def _python(code: str) -> str:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def run(setting: Setting) -> Subject:
    """Measure."""
    found = Subject("Imports")
    rounds = max(setting.rounds * 3, 3)
    for code in CODES.values():
        _python(code)  # writes the byte code
    done = in_turn({name: partial(_python, code) for name, code in CODES.items()}, rounds)
    idle = min(done["nothing"].times)
    # of the fastest: nothing that the machine does makes an import faster
    best = {name: min(one.times) - idle for name, one in done.items() if name != "nothing"}
    found.say(
        f"Fresh processes, byte code written, without the {1000 * idle:.0f} ms of a bare "
        f"interpreter; the fastest of {rounds}. The client loads none of networkx, nipype, numpy "
        f"and the archive's libraries: {_python(_CHECK)}."
    )
    found.table(["what", "time"], [[name, seconds(value)] for name, value in best.items()])
    found.goal("import: the client / requests", best["the client"] / best["import requests"], 1.3)
    found.goal(
        "import: the interfaces / nipype.interfaces.base",
        best["the interfaces"] / best["import nipype.interfaces.base"],
        1.1,
    )
    found.goal(
        "nipype-xnat --help: modules of Nipype loaded",
        int(
            "nipype"
            in _python(
                "import sys; from nipype_xnat.cli.main import parser; "
                "parser().format_help(); print([m for m in sys.modules if m == 'nipype'])"
            )
        ),
        0,
    )
    return found
