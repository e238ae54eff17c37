"""XNATSink: state what an archive shall hold."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nipype.interfaces.base import (
    DynamicTraitedSpec,
    InputMultiPath,
    LibraryBaseInterface,
    Str,
    Tuple,
    Undefined,
    isdefined,
    traits,
)
from nipype.interfaces.io import IOBase, add_traits

from ..errors import UsageError
from .connection import ConnectionInputSpec, connect, refuse_secrets

# what a sink does is imported where it runs: who makes a workflow needs none of it
if TYPE_CHECKING:
    from ..client import Interface
    from ..records import Record
    from .stored import Stored

__all__ = ["XNATSink"]


class XNATSinkInputSpec(DynamicTraitedSpec, ConnectionInputSpec):  # type: ignore[misc]
    """Inputs of XNATSink."""

    _outputs = traits.Dict(Str, value={}, usedefault=True)

    project_id = Str(mandatory=True, hash_files=False, desc="project that stores the outputs")
    subject_id = Str(mandatory=True, hash_files=False, desc="label or id of the subject")
    experiment_id = Str(mandatory=True, hash_files=False, desc="label or id of the experiment")
    scan_id = Str(
        hash_files=False,
        xor=["assessor_id", "reconstruction_id"],
        desc="store at this scan of the session",
    )
    assessor_id = Str(
        hash_files=False,
        xor=["reconstruction_id", "scan_id"],
        desc="store as output of this assessor of the session",
    )
    reconstruction_id = Str(
        hash_files=False,
        xor=["assessor_id", "scan_id"],
        desc="store as output of this reconstruction of the session",
    )
    share = traits.Bool(
        False,
        usedefault=True,
        desc="where the subject belongs to another project, share it into project_id instead of "
        "making a new one, and share the experiment back",
    )
    experiment_type = Str(
        "xnat:mrSessionData", usedefault=True, desc="data type of an experiment that is made here"
    )
    assessor_type = Str(
        "xnat:qcAssessmentData", usedefault=True, desc="data type of an assessor that is made here"
    )
    create = traits.Bool(
        True, usedefault=True, desc="make subject, experiment and container where they are missing"
    )
    overwrite = traits.Bool(
        True,
        usedefault=True,
        desc="replace stored files of other content; without it they are an error, found before "
        "anything is sent",
    )
    format = Str(desc="what kind of files these are, e.g. NIFTI")
    content = Str(desc="what they are about")
    tags = Str(desc="tags, separated by commas")
    substitutions = InputMultiPath(
        Tuple(Str, Str), desc="texts to replace in the paths of files within their resource"
    )
    regexp_substitutions = InputMultiPath(
        Tuple(Str, Str), desc="regular expressions to replace there, after substitutions"
    )
    parameterization = traits.Bool(
        True,
        usedefault=True,
        desc="keep folders that iterables made (_name_value) within the resource, but for those "
        "that name the subject or the experiment",
    )
    event_reason = Str(nohash=True, desc="why things change, for sites that demand a reason")
    check_inputs = traits.Bool(
        True,
        usedefault=True,
        nohash=True,
        desc="refuse what was made of other inputs than the archive and the workflow name now",
    )
    record = traits.Dict(
        nohash=True,
        desc="record of the session in its cohort, which cohort_workflow sets: what its sources "
        "delivered must be what it names",
    )

    def __setattr__(self, key: str, value: Any) -> None:
        refuse_secrets([key])
        kind: Any = type(self)
        if key in ("trait_added", "trait_modified"):  # events of traits itself
            super().__setattr__(key, value)
        elif key not in _declared(kind) and key not in self.copyable_trait_names():
            if not isdefined(value):
                super().__setattr__(key, value)
            self._outputs[key] = value
        else:
            if key in self._outputs:
                self._outputs[key] = value
            super().__setattr__(key, value)


@cache
def _declared(kind: Any) -> frozenset[str]:
    """Return the inputs of a class: to ask each object is slow where workflows are copied."""
    return frozenset(kind.class_trait_names())


class XNATSink(LibraryBaseInterface, IOBase):  # type: ignore[misc]
    """Store files in an XNAT archive, as resources.

    Any input that is not listed here is an output to store. Its name says where:
    ``sink.inputs.bet`` is stored in the resource ``bet``; ``bet.mask`` in its folder ``mask``;
    ``bet.@mask`` in ``bet`` itself (what follows an ``@`` only tells inputs apart). Values are
    files, folders (stored with all they hold) or lists of them.

    The sink states an end state: after it has run, the archive lists these files with these
    digests. What is there already is not sent again; nothing is ever deleted.

    Before anything is sent, what the nodes before it recorded of their inputs is compared with what
    is named now, up to the sources and the archives that these fetched from: a result that was left
    by an earlier run is refused (``docs/trust.md``).

    Parameters
    ----------
    infields : list of str, optional
        Names of outputs, for MapNodes.
    **inputs
        Values of inputs.

    Examples
    --------
    >>> from nipype_xnat import XNATSink
    >>> sink = XNATSink(project_id="IXI", subject_id="IXI002", experiment_id="IXI002_MR1")
    >>> sink.inputs.bet = "brain.nii.gz"
    >>> setattr(sink.inputs, "bet.@mask", "brain_mask.nii.gz")
    """

    input_spec = XNATSinkInputSpec
    output_spec = DynamicTraitedSpec
    _pkg = "nipype_xnat"
    # an end state is stated at each run: where it holds, that costs two listings
    _always_run = True

    def __init__(self, infields: list[str] | None = None, **inputs: Any) -> None:
        refuse_secrets(inputs)
        self._infields = infields
        self._stored: Stored | None = None
        self._own: set[str] = set()
        super().__init__(**inputs)
        for name in infields or ():
            self.inputs.add_trait(name, traits.Any)
            self.inputs._outputs[name] = Undefined
            self.inputs.trait_set(trait_change_notify=False, **{name: Undefined})

    def _add_output_traits(self, base: Any) -> Any:
        return add_traits(base, ["stored", "address"])

    def _run_interface(self, runtime: Any) -> Any:
        from .places import Place, container
        from .stored import Stored

        self._files(())  # what cannot be stored is told before any request
        archive = connect(self.inputs, _text(self.inputs.event_reason))
        place = Place(
            project=self.inputs.project_id,
            subject=self.inputs.subject_id,
            experiment=self.inputs.experiment_id,
            scan=_text(self.inputs.scan_id),
            assessor=_text(self.inputs.assessor_id),
            reconstruction=_text(self.inputs.reconstruction_id),
            experiment_type=self.inputs.experiment_type,
            assessor_type=self.inputs.assessor_type,
        )
        unchecked = self._unchecked(Path(runtime.cwd))
        owner = container(archive, place, share=self.inputs.share, create=self.inputs.create)
        files: list[tuple[Record, dict[str, Any]]] = []
        names = (owner.subject_id, owner.subject_label, owner.experiment_id, owner.experiment_label)
        for label, paths in self._files(names).items():
            files += self._store(archive, owner, label, paths)
        self._stored = Stored(archive.server, tuple(files), tuple(unchecked))
        self._stored.write(Path(runtime.cwd))
        return runtime

    def _unchecked(self, cwd: Path) -> list[str]:
        """Refuse stale results; return what could not be checked."""
        if not self.inputs.check_inputs:
            return ["check_inputs is switched off"]
        from .trust import check_inputs

        given = {
            key: [Path(path) for path in _flat(value, key)]
            for key, value in self.inputs._outputs.items()
            if value is not None and isdefined(value)
        }
        record = self.inputs.record if isdefined(self.inputs.record) else None
        return check_inputs(cwd, given, record, type(self))

    def _store(
        self, archive: Interface, owner: Record, label: str, files: Mapping[str, Path]
    ) -> list[tuple[Record, dict[str, Any]]]:
        from ..transfer import put

        stored = put(
            archive.transport,
            owner.with_values(resource_label=label),
            files,
            overwrite=self.inputs.overwrite,
            format=_text(self.inputs.format),
            content=_text(self.inputs.content),
            tags=_text(self.inputs.tags),
            event_reason=archive.event_reason,
        )
        return [
            (
                entry.record,
                {"action": entry.action.value, "source": str(files[entry.record.path])},
            )
            for entry in stored.files
        ]

    def _list_outputs(self) -> dict[str, Any]:
        outputs = self._outputs().get()
        if self._stored is not None:
            outputs["stored"] = self._stored.entries
            outputs["address"] = [entry["address"] for entry in self._stored.entries]
        return outputs  # type: ignore[no-any-return]

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state["_stored"] = None
        return state

    # -- which file goes where

    def _files(self, names: Iterable[str]) -> dict[str, dict[str, Path]]:
        """Return for each resource its files by their paths within it.

        Parameters
        ----------
        names : iterable of str
            What subject and experiment are called, besides what the inputs say.
        """
        self._own = {*names, self.inputs.subject_id, self.inputs.experiment_id} - {""}
        found: dict[str, dict[str, Path]] = {}
        for key, value in sorted(self.inputs._outputs.items()):
            if value is None or not isdefined(value):
                continue
            label, folder = _where(key)
            resource = found.setdefault(label, {})
            for inner, source in self._apart(list(_flat(value, key))):
                name = self._substituted("/".join(part for part in (folder, inner) if part))
                other = resource.get(name)
                if other is not None and other != source:
                    raise UsageError(
                        f"{other} and {source} would both be {name!r} of the resource {label!r}",
                        advice="store one of them in a folder (bet.first, bet.second), or rename "
                        "it with substitutions",
                    )
                resource[name] = source
        if not found:
            raise UsageError(
                "nothing to store: no output is connected or set",
                advice="workflow.connect(node, 'out_file', sink, 'bet')",
            )
        return found

    def _apart(self, paths: list[str]) -> list[tuple[str, Path]]:
        """Return the files of one output with their names; those of a MapNode are kept apart.

        A MapNode's elements are told apart by their position only, so their folders become part of
        a name just where two names would be the same.
        """
        plain = [entry for path in paths for entry in self._expanded(Path(path))]
        if len({name for name, _ in plain}) == len({source for _, source in plain}):
            return plain
        return [(_position(source) + name, source) for name, source in plain]

    def _expanded(self, path: Path) -> Iterator[tuple[str, Path]]:
        path = path.absolute()
        prefix = self._parameters(path)
        if path.is_dir():
            inside = list(_files_in(path))
            if not inside:
                raise UsageError(
                    f"the folder {path} is empty: there is nothing to store",
                    advice="did the node before fail without saying so?",
                )
            for each in inside:
                yield prefix + each.relative_to(path).as_posix(), each
        elif path.is_file():
            yield prefix + path.name, path
        else:
            raise UsageError(
                f"there is no file {path} to store", advice="did the node before make it?"
            )

    def _parameters(self, path: Path) -> str:
        """Return the folders of iterables in a path, so that their results stay apart."""
        if not self.inputs.parameterization:
            return ""
        parts = path.parent.parts
        kept = [
            part for part in parts if _PARAMETER.fullmatch(part) and not _names(part, self._own)
        ]
        return "".join(part + "/" for part in kept)

    def _substituted(self, name: str) -> str:
        if isdefined(self.inputs.substitutions):
            for old, new in self.inputs.substitutions:
                name = name.replace(old, new)
        if isdefined(self.inputs.regexp_substitutions):
            for pattern, new in self.inputs.regexp_substitutions:
                name = re.sub(pattern, new, name)
        return os.path.normpath(name).replace(os.sep, "/") if name else name


def _where(key: str) -> tuple[str, str]:
    """Return the resource and the folder that an output's name means."""
    label, *folders = key.split(".")
    label = label.partition("@")[0] or label.strip("@")
    if not label:
        raise UsageError(f"{key!r} names no resource", advice="for example bet or bet.@mask")
    return label, "/".join(folder for folder in folders if not folder.startswith("@"))


# _name_value, or the digest that Nipype uses for long ones (parameterize_dirs=false)
_PARAMETER = re.compile(r"_[A-Za-z]\w*?_.+|[0-9a-f]{40}")
_OF_SUBJECT = re.compile(
    r"_(?:sub|subj|subject|sid|ses|sess|session|exp|experiment|id)(?:_?(?:id|label))?_(.+)"
)


def _names(part: str, own: set[str]) -> bool:
    """Tell whether a folder of iterables says no more than the subject or the session."""
    found = _OF_SUBJECT.fullmatch(part)
    return found is not None and found.group(1) in own


def _files_in(folder: Path) -> Iterator[Path]:
    """Yield all files of a folder, also behind links, sorted.

    Raises
    ------
    UsageError
        For a link that leads nowhere, or round in a circle.
    """
    for root, folders, names in os.walk(folder, followlinks=True):
        here = Path(root)
        folders.sort()
        for name in folders:
            if (here / name).is_symlink() and (here / name).resolve() in (here, *here.parents):
                raise UsageError(f"the link {here / name} leads round in a circle")
        for name in sorted(names):
            path = here / name
            if path.is_file():
                yield path
            elif path.is_symlink():
                raise UsageError(
                    f"the link {path} leads nowhere, so what it stands for cannot be stored",
                    advice="mend or remove it",
                )


def _position(path: Path) -> str:
    """Return the folder of a MapNode's element, empty where a file comes from no MapNode."""
    parts = path.parts
    if "mapflow" not in parts[:-2]:
        return ""
    return parts[len(parts) - 1 - parts[::-1].index("mapflow") + 1] + "/"


def _flat(value: Any, key: str) -> Iterator[str]:
    if isinstance(value, (str, os.PathLike)):
        yield os.fspath(value)
    elif isinstance(value, Iterable):
        for each in value:
            yield from _flat(each, key)
    else:
        raise UsageError(
            f"{key!r} is no input of XNATSink, so it would be stored, but {value!r} is neither a "
            "file nor a list of files",
            advice="check the spelling of the input",
        )


def _text(value: Any) -> str:
    return str(value) if isdefined(value) else ""
