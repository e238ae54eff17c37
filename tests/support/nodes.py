"""Interfaces for the tests' workflows; workers import them by name."""

from pathlib import Path

from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec


class _ShoutIn(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True)


class _ShoutOut(TraitedSpec):
    out_file = File(exists=True)


class Shout(SimpleInterface):
    """Write a file in capitals, and leave a trace of having run beside it."""

    input_spec = _ShoutIn
    output_spec = _ShoutOut

    def _run_interface(self, runtime):
        target = Path(runtime.cwd) / "shout.txt"
        target.write_bytes(Path(self.inputs.in_file).read_bytes().upper() + b"!")
        with (Path(runtime.cwd).parent / "runs.log").open("a") as log:
            log.write("run\n")
        self._results["out_file"] = str(target)
        return runtime


def run_and_name(source):
    """Run an XNATSource, and return where its file is."""
    return source.run().outputs.t1
