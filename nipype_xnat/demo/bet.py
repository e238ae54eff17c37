"""A stand-in for FSL's ``bet``: its command line in front of an affine template mask.

**This is not FSL's algorithm.** niimath registers a skull-stripped MNI template to the head with
an affine transformation and carries a brain mask back along it. No surface is grown, so the
outline is that of an average brain made to fit. It exists so that ``nipype.interfaces.fsl.BET``
runs unchanged where FSL is not installed; where a ``bet`` is on the PATH, use that.

``python -m nipype_xnat.demo.bet IN OUT [options]`` writes OUT and, with ``-m``, OUT_mask, in the
format that ``FSLOUTPUTTYPE`` names. Nothing is asked of a network.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

_MARK = "stand-in for FSL's bet, from nipype-xnat's demo"
_ENDINGS = (".nii.gz", ".nii", ".img.gz", ".hdr.gz", ".img", ".hdr")
_OUTPUT = {
    "NIFTI": ".nii",
    "NIFTI_GZ": ".nii.gz",
    "NIFTI_PAIR": ".img",
    "NIFTI_PAIR_GZ": ".img.gz",
}
# Options of FSL's bet whose output this program cannot make. Leaving them out silently would hand
# a workflow something other than it asked for.
_REFUSED = {
    "-o": "an outline image",
    "-s": "a skull image",
    "-e": "a surface mesh",
    "-t": "thresholding",
    "-S": "eye and optic nerve clean-up",
    "-B": "bias field and neck clean-up",
    "-Z": "padding of end slices",
    "-F": "4D data",
    "-A": "skull and scalp surfaces",
    "-A2": "skull and scalp surfaces with a T2",
}


class BetError(Exception):
    """What went wrong, in one line for standard error."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BetError(f"{message}\n{self.format_usage().strip()}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a program.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments, without the program's name; by default those of this process.

    Returns
    -------
    int
        0, or 1 after one message on standard error.
    """
    try:
        arguments = _parser().parse_args(argv)
        if arguments.prepare:
            if arguments.template is None:
                raise BetError("--prepare needs --template FOLDER")
            prepare(arguments.template)
            return 0
        for option, what in _REFUSED.items():
            if getattr(arguments, _name(option)):
                raise BetError(f"{option} ({what}) is not offered by this {_MARK}")
        if arguments.source is None or arguments.target is None:
            raise BetError(_parser().format_usage().strip())
        strip(
            arguments.source,
            arguments.target,
            frac=arguments.frac,
            gradient=arguments.gradient,
            brain=not arguments.no_output,
            mask=arguments.mask,
            template=arguments.template,
        )
    except (BetError, OSError, ImageFileError) as error:
        print(f"bet: {error}", file=sys.stderr)
        return 1
    print(f"This was a {_MARK}: an affine template mask by niimath, not FSL's algorithm.")
    return 0


def strip(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    frac: float = 0.5,
    gradient: float = 0.0,
    brain: bool = True,
    mask: bool = False,
    template: Path | None = None,
) -> None:
    """Take the skull off one image.

    Parameters
    ----------
    source : path
        ``.nii``, ``.nii.gz``, or either half of an ``.img``/``.hdr`` pair, with or without ending.
    target : path
        Where the brain goes; an ending is replaced by the one that ``FSLOUTPUTTYPE`` names.
    frac : float, default 0.5
        Between 0 and 1; larger gives a smaller brain.
    gradient : float, default 0.0
        Between -1 and 1; positive gives a larger brain below and a smaller one above.
    brain, mask : bool
        Which of the two images to write.
    template : Path, optional
        Folder that keeps the template between runs; without it, the template is made anew.

    Raises
    ------
    BetError
        If an argument is out of range, the image cannot be used, or niimath fails.
    """
    if not 0.0 < frac < 1.0:
        raise BetError(f"-f must lie between 0 and 1, not {frac:g}")
    if not -1.0 <= gradient <= 1.0:
        raise BetError(f"-g must lie between -1 and 1, not {gradient:g}")
    ending = _ending()
    head = _load(source)
    with tempfile.TemporaryDirectory(prefix="bet-") as name:
        folder = Path(name)
        stripped, chance = prepare(template or folder)
        nib.save(head, folder / "head.nii")
        nib.save(_limits(chance, frac, gradient), folder / "limits.nii")
        # -scale01 first: outside its mask -deface puts the image's minimum, which need not be 0
        words = ["-scale01", "-deface", str(stripped.resolve()), "limits.nii", "-bin", "-fillh"]
        _niimath(folder, "head.nii", *words, "mask.nii", "-odt", "char")
        _niimath(folder, "head.nii", "-mas", "mask.nii", "brain.nii", "-odt", "input")
        found = nib.load(folder / "mask.nii")
        if not np.any(found.dataobj):
            raise BetError(f"no brain was found in {source}")
        base = _stem(target)
        if brain:
            _save(nib.load(folder / "brain.nii"), Path(base + ending))
        if mask:
            _save(found, Path(base + "_mask" + ending))


def prepare(folder: Path) -> tuple[Path, Path]:
    """Make the 2 mm template from nilearn's MNI152 brain, unless the folder has it.

    Several processes may do so at once: each file appears whole, under its name, or not at all.

    Returns
    -------
    tuple of Path
        The skull-stripped head and a smooth chance of being brain, from 0 to 1.
    """
    stripped, chance = folder / "mni152-2mm-brain.nii", folder / "mni152-2mm-chance.nii"
    if stripped.exists() and chance.exists():
        return stripped, chance
    folder.mkdir(parents=True, exist_ok=True)
    from scipy import ndimage

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Nipype takes any word on standard error for a failure
        try:
            from nilearn.datasets import load_mni152_template
        except ImportError as error:
            raise BetError(
                f"the template comes with nilearn, and {error}; pip install 'nipype-xnat[demo]'"
            ) from error
        head = load_mni152_template(resolution=2)
    # one voxel more and soft: the template ends at the grey matter, bet's outline just outside it
    inside = ndimage.binary_dilation(np.asarray(head.dataobj) > 0.2)
    soft = ndimage.gaussian_filter(inside.astype(np.float32), 2.5)
    for data, path in ((np.asarray(head.dataobj, dtype=np.float32), stripped), (soft, chance)):
        _publish(nib.Nifti1Image(data, head.affine).to_bytes(), path, mode=0o644)
    return stripped, chance


def install(folder: str | os.PathLike[str]) -> Path:
    """Write an executable named ``bet`` into a folder, for the PATH.

    It runs this module with this interpreter, whatever the working directory, and keeps its
    template beside itself. The template is made at the first use, or by ``bet --prepare``.

    Returns
    -------
    Path
        The executable.
    """
    place = Path(folder).resolve()
    place.mkdir(parents=True, exist_ok=True)
    # The package's folder goes to the end of sys.path: at its front, as PYTHONPATH would put it,
    # a site-packages could hide modules of the standard library.
    start = (
        "import sys; sys.path.append(sys.argv.pop(1)); "
        "from nipype_xnat.demo.bet import main; sys.exit(main())"
    )
    words = [sys.executable, "-c", start, str(Path(__file__).resolve().parents[2])]
    words += ["--template", str(place / "template")]
    script = f'#!/bin/sh\n# {_MARK}: not FSL\'s algorithm\nexec {shlex.join(words)} "$@"\n'
    _publish(script.encode(), place / "bet", mode=0o755)
    return place / "bet"


def is_stand_in(executable: str | os.PathLike[str]) -> bool:
    """Whether an executable is one that :func:`install` wrote, and not FSL's."""
    try:
        with Path(executable).open("rb") as stream:
            return _MARK.encode() in stream.read(400)
    except OSError:
        return False


def _publish(data: bytes, path: Path, mode: int) -> None:
    """Let a file appear whole: readers never see half of it, and of several writers one wins."""
    handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
    Path(name).chmod(mode)
    Path(name).replace(path)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="bet",
        usage="bet IN OUT [-f FRACTION] [-g GRADIENT] [-m] [-n] [-R] [-v]",
        description=f"A {_MARK}: an affine template mask by niimath, not FSL's algorithm.",
        allow_abbrev=False,
    )
    parser.add_argument("source", nargs="?", metavar="IN")
    parser.add_argument("target", nargs="?", metavar="OUT")
    parser.add_argument(
        "-f", dest="frac", type=float, default=0.5, help="0..1, larger gives a smaller brain"
    )
    parser.add_argument(
        "-g",
        dest="gradient",
        type=float,
        default=0.0,
        help="-1..1, positive gives a larger brain below, a smaller one above",
    )
    parser.add_argument("-m", dest="mask", action="store_true", help="write OUT_mask as well")
    parser.add_argument(
        "-n", dest="no_output", action="store_true", help="do not write the brain itself"
    )
    # where FSL's search starts and how: a registration of the whole head has no use for it
    hint = "accepted: a start for FSL's search, of no use here"
    parser.add_argument("-R", action="store_true", help=hint)
    parser.add_argument("-r", type=float, help=hint)
    parser.add_argument("-c", nargs=3, type=float, help=hint)
    parser.add_argument("-v", "-d", action="store_true", help="accepted, says no more")
    for option, what in _REFUSED.items():
        if option == "-A2":
            parser.add_argument(option, dest=_name(option), help=f"refused: {what}")
        else:
            parser.add_argument(
                option, dest=_name(option), action="store_true", help=f"refused: {what}"
            )
    parser.add_argument("--template", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--prepare", action="store_true", help=argparse.SUPPRESS)
    return parser


def _name(option: str) -> str:
    return "refused_" + option.strip("-")


def _ending() -> str:
    kind = os.environ.get("FSLOUTPUTTYPE") or "NIFTI_GZ"
    try:
        return _OUTPUT[kind]
    except KeyError:
        raise BetError(f"FSLOUTPUTTYPE is {kind!r}, not one of {', '.join(_OUTPUT)}") from None


def _stem(path: str | os.PathLike[str]) -> str:
    name = os.fspath(path)
    for ending in _ENDINGS:
        if name.endswith(ending):
            return name[: -len(ending)]
    return name


def _load(source: str | os.PathLike[str]) -> nib.Nifti1Image:
    name = os.fspath(source)
    if not Path(name).is_file():
        # FSL takes names without their ending
        name = next((name + end for end in _ENDINGS if Path(name + end).is_file()), "")
    if not name:
        raise BetError(f"there is no image {os.fspath(source)}")
    image = nib.load(name)
    if not hasattr(image, "affine"):
        raise BetError(f"{name} is not an image of voxels")
    if isinstance(image, nib.Nifti1Pair):
        head = nib.Nifti1Image.from_image(image)
    else:  # an Analyze header knows less: what it says is carried over
        head = nib.Nifti1Image(np.asanyarray(image.dataobj), image.affine)
    while head.ndim > 3 and head.shape[-1] == 1:
        head = head.slicer[..., 0]
    if head.ndim != 3:
        raise BetError(f"{name} has {head.ndim} dimensions; a head has three")
    return head


def _limits(chance: Path, frac: float, gradient: float) -> nib.Nifti1Image:
    """Scale the chance of being brain so that niimath's fixed limit of 0.5 means ``frac``."""
    template = nib.load(chance)
    height = np.linspace(-1.0, 1.0, template.shape[2], dtype=np.float32)
    limit = np.clip(frac + gradient * height, 0.02, 0.98)
    return nib.Nifti1Image(
        (np.asarray(template.dataobj) * (0.5 / limit)).astype(np.float32), template.affine
    )


def _niimath(folder: Path, *arguments: str) -> None:
    try:
        from niimath import bin_path
    except ImportError as error:
        raise BetError(f"{error}; pip install 'nipype-xnat[demo]'") from error
    environment = dict(os.environ, FSLOUTPUTTYPE="NIFTI")
    # one image a processor is Nipype's business: two processes of many threads slow each other
    environment.setdefault("OMP_NUM_THREADS", "1")
    done = subprocess.run(  # noqa: S603  (a list, no shell)
        [str(bin_path), *arguments],
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise BetError(f"niimath failed ({done.returncode}): {words[-1] if words else 'no word'}")


def _save(image: nib.Nifti1Image, path: Path) -> None:
    if path.name.endswith((".img", ".img.gz")):
        nib.save(nib.Nifti1Pair.from_image(image), path)
    else:
        nib.save(image, path)


if __name__ == "__main__":
    sys.exit(main())
