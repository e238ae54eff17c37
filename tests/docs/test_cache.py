"""The Python code of docs/cache.md runs, with only places changed."""

import re
from pathlib import Path

from nipype_xnat.cli.main import parser

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "cache.md").read_text(encoding="utf-8")


def test_the_page(config, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE, re.S | re.M))
    assert "cache_layers" in code and "prune" in code
    names = {}
    exec(compile(code.replace("/site/", f"{tmp_path}/"), "cache.md", "exec"), names)
    assert names["interface"].cache.layers == (tmp_path / "xnat-cache",)
    assert capsys.readouterr().out == "0 0 0 0\n"


def test_the_commands():
    lines = re.findall(r"^nipype-xnat (cache .*)$", PAGE, re.M)
    assert len(lines) == 4
    for line in lines:
        parser().parse_args(line.split())
