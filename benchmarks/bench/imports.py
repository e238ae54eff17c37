"""What importing costs."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

from .figures import Setting, Subject, seconds

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
_COMPARED = frozenset(
    {
        "nothing",
        "import requests",
        "the client",
        "import nipype.interfaces.base",
        "the interfaces",
    }
)
_CHECK = (
    "import sys, nipype_xnat; nipype_xnat.Interface; "
    "print(sorted({'networkx', 'nipype', 'werkzeug', 'sqlalchemy', 'numpy'} & set(sys.modules)))"
)


# where byte code is not written, whatever is no installed package would be compiled each time
_ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
}


def _python(code: str) -> str:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env=_ENVIRONMENT,
    )
    return done.stdout.strip()


def _cost(code: str) -> float:
    """Return the seconds of the processor that a fresh process takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _python(code)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(setting: Setting) -> Subject:
    """Measure."""
    found = Subject("Imports")
    rounds = setting.rounds * 6
    for code in CODES.values():
        _python(code)  # writes the byte code
    costs: dict[str, list[float]] = {name: [] for name in CODES}
    for number in range(rounds):
        for name, code in CODES.items():
            # a ratio of two small figures needs the least of many
            if name in _COMPARED or number < setting.rounds:
                costs[name].append(_cost(code))
    # of the least: nothing that the machine does makes an import cheaper
    idle = min(costs.pop("nothing"))
    best = {name: min(values) - idle for name, values in costs.items()}
    found.say(
        "Time of the processor in fresh processes, byte code written and files in memory, without "
        f"the {1000 * idle:.0f} ms of a bare interpreter; the least of {rounds} processes, of "
        f"{setting.rounds} for what no goal compares. The client loads none of networkx, nipype, "
        "numpy and the archive's libraries: "
        f"{_python(_CHECK)}."
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
