"""``nipype-xnat mirror pull``, written as the docs write it."""

import re
import shlex
from pathlib import Path

import pytest

from nipype_xnat.cli.main import main, parser

PAGE = Path(__file__).resolve().parents[2] / "docs" / "offline.md"


def lines():
    """Return the commands of the page, each on one line."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.S | re.M)
    joined = (
        "".join(text for language, text in blocks if not language).replace("\\\n", " ").splitlines()
    )
    found = [shlex.split(line, comments=True) for line in joined]
    return [words[1:] for words in found if words and words[0] == "nipype-xnat"]


@pytest.mark.parametrize("words", lines(), ids=" ".join)
def test_each_command_of_the_page_is_understood(words):
    options = parser().parse_args(words)
    folder = getattr(options, "folder", None) or getattr(options, "mirror", None)
    if folder is not None:
        assert Path(folder).name == "mirror"
    if "https://your.server" in words:
        assert options.server == "https://your.server"


def test_options_may_stand_between_server_and_folder(
    filled, xnat_archive, config, tmp_path, capsys
):
    folder = tmp_path / "m"
    options = ["--config", str(config), "--quiet"]
    assert main(["mirror", "pull", xnat_archive.url, "--project", "P", *options, str(folder)]) == 0
    assert main(["mirror", "pull", *options, str(folder)]) == 0
    assert main(["mirror", "show", str(folder)]) == 0
    assert f"mirror of {xnat_archive.url} as admin" in capsys.readouterr().out
