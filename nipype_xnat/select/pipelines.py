"""The pipelines of a project, as XNAT's pipeline engine offers them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from posixpath import basename, splitext
from typing import TYPE_CHECKING, Any

from ..address import Address
from ..errors import NotFound, UsageError
from ..tables import Row, rows
from ..transport import Request

if TYPE_CHECKING:
    from .element import Archive
    from .elements import Project

__all__ = ["Pipeline", "Pipelines"]

_ARC = "{http://nrg.wustl.edu/arc}"
_ALL = "All Datatypes"


class Pipelines:
    """``project.pipelines``: what may be run on the experiments of a project.

    Parameters
    ----------
    project : Project

    Examples
    --------
    >>> project.pipelines.pipeline("DicomToNifti").run("XNAT_E00001")  # doctest: +SKIP
    """

    def __init__(self, project: Project) -> None:
        self.project = project

    def info(self, pipeline_id: str | None = None) -> list[Row]:
        """Return what the project's listing says of its pipelines, or of the one of a name."""
        address = (self.project.address / "pipelines").ask(format="json")
        answer = self._archive.transport.send(Request("GET", address, expect="json"))
        return [row for row in rows(answer) if pipeline_id in (None, row.get("Name"))]

    def get(self) -> list[str]:
        """Return the names of the pipelines."""
        return [row.get("Name", "") for row in self.info()]

    def aliases(self) -> dict[str, str]:
        """Return the step by which the engine runs each pipeline, by the pipeline's name."""
        return {
            entry.findtext(f"{_ARC}name", ""): entry.get("stepId", "")
            for entry in self._specification().iter(f"{_ARC}pipeline")
        }

    def pipeline(self, pipeline_id: str) -> Pipeline:
        """Return one pipeline, by its name; nothing is asked."""
        return Pipeline(self, pipeline_id)

    def delete(self, pipeline_id: str) -> None:
        """Take a pipeline from the project.

        Raises
        ------
        NotFound
            If the project has no such pipeline.
        """
        datatype = self.pipeline(pipeline_id).row().get("Datatype", "")
        # the server knows it by the place of its descriptor (PipelineRepositoryManager)
        for entry in self._specification().iter(f"{_ARC}pipeline"):
            if entry.findtext(f"{_ARC}name") == pipeline_id:
                place = entry.findtext(f"{_ARC}location", "")
                address = (self.project.address / "pipelines").ask(path=place, datatype=datatype)
                self._archive.transport.send(Request("DELETE", address)).close()
                return

    def _specification(self) -> ET.Element:
        request = Request("GET", self.project.address / "archive_spec", expect="xml")
        return ET.fromstring(self._archive.transport.send(request).read())  # noqa: S314

    @property
    def _archive(self) -> Archive:
        return self.project.archive

    def __repr__(self) -> str:
        return f"<Pipelines {self.project.id()}>"


class Pipeline:
    """A pipeline of a project.

    Parameters
    ----------
    pipelines : Pipelines
    pipeline_id : str
        Its name.
    """

    def __init__(self, pipelines: Pipelines, pipeline_id: str) -> None:
        self.id = pipeline_id
        self._pipelines = pipelines
        self._archive = pipelines.project.archive

    def exists(self) -> bool:
        """Tell whether the project has the pipeline."""
        return bool(self._pipelines.info(self.id))

    def row(self) -> Row:
        """Return what the project's listing says of the pipeline.

        Raises
        ------
        NotFound
        """
        found = self._pipelines.info(self.id)
        if not found:
            raise NotFound(
                f"the project has no pipeline {self.id!r}",
                server=self._archive.transport.server,
                asked=str(self._pipelines.project.path),
                advice="pipelines.get() lists those that it has",
            )
        return found[0]

    def info(self) -> dict[str, Any]:
        """Return the pipeline's own description: steps, input parameters, authors, ...

        Raises
        ------
        NotFound
        """
        self.row()
        address = self._pipelines.project.address / ["pipelines", self.id]
        found: dict[str, Any] = json.loads(
            self._archive.transport.send(Request("GET", address)).read()
        )
        return found

    def run(self, experiment_id: str, params: Mapping[str, Any] | None = None) -> None:
        """Let the engine run the pipeline on an experiment, in the background.

        Parameters
        ----------
        experiment_id : str
        params : mapping, optional
            Values of its input parameters.

        Raises
        ------
        NotFound
            If the project has no such pipeline or experiment.
        UsageError
            If the pipeline is for another data type, or cannot be told from another one.
        """
        wanted = self.row().get("Datatype", _ALL)
        datatype = self._pipelines.project.experiment(experiment_id).datatype()
        if wanted not in (_ALL, datatype):
            raise UsageError(f"{self.id} is for {wanted}, and {experiment_id} is {datatype}")
        aliases = self._pipelines.aliases()
        step = aliases.get(self.id, self.id)
        if list(aliases.values()).count(step) > 1:
            raise UsageError(f"the project has more than one pipeline of the step {step!r}")
        address = self._pipelines.project.address / ["pipelines", step]
        address = (address / ["experiments", experiment_id]).ask(params or {})
        self._archive.transport.send(Request("POST", address)).close()

    def status(self, experiment_id: str) -> Row | None:
        """Return what is known of the last run on an experiment, None where there was none.

        Raises
        ------
        NotFound
            If the project has no such pipeline or experiment.
        """
        self.row()
        project = self._pipelines.project
        project.experiment(experiment_id).id()
        address = Address.of("data", "services", "workflows", self.id).ask(
            project=project.id(), experiment=experiment_id, display="ALL", format="json"
        )
        request = Request("GET", address, expect="json", fresh=True)
        runs = [
            row
            for row in rows(self._archive.transport.send(request))
            if splitext(basename(row.get("pipeline_name", "")))[0] == self.id
        ]
        return max(runs, key=lambda row: int(row["wrk_workflowData_id"]), default=None)

    def __repr__(self) -> str:
        return f"<Pipeline {self.id}>"
