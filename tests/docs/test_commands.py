"""The commands in the pages about clusters have the options that the programs have."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from nipype_xnat.cli.main import parser

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    "README.md",
    *(f"docs/{name}.md" for name in ("clusters", "preflight", "trust", "offline")),
]


def commands(page, program):
    """Return the words after a program's name, of each such line in a page's blocks of commands."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.S | re.M):
        if language in ("", "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                if line.startswith(program + " "):
                    found.append(shlex.split(line, comments=True)[1:])
    return found


@pytest.mark.parametrize("page", PAGES)
def test_each_command_of_the_package_is_understood(page):
    found = commands(page, "nipype-xnat")
    assert found
    for words in found:
        assert callable(parser().parse_args(words).run)


def test_each_example_is_understood():
    found = commands("docs/clusters.md", "python")
    assert len(found) == 3
    for script, *words in found:
        spec = importlib.util.spec_from_file_location(Path(script).stem, ROOT / script)
        example = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(example)
        args = example._options().parse_args(words)
        assert args.project == "IXI" and args.plugin in ("SLURM", "SGE", "SGEGraph")
