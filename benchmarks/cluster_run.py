"""Runs the benchmark's cohort in a process of its own, as a user's script does.

``python cluster_run.py CONFIG WORK PLUGIN HERE NUMBER``: PLUGIN is a name that Nipype knows, or
such a name after a ``+`` for this package's own; with HERE=1 sources and sinks run in this
process; NUMBER is how many sessions.
"""

import importlib.util
import os
import sys
from pathlib import Path

from nipype_xnat import Interface, cluster_plugin
from nipype_xnat.cli.demo import example
from nipype_xnat.demo.pool import MultiProcPlugin

PATH = "/projects/BENCH/experiments/*/scans/*/resources/NIFTI/files/*"


def main(config: str, work: str, plugin: str, here: str, number: str) -> None:
    """Ask for the cohort, make the example's workflow, run it."""
    os.environ.setdefault("FSLOUTPUTTYPE", "NIFTI_GZ")
    spec = importlib.util.spec_from_file_location("bet_cohort", example("bet_cohort"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["bet_cohort"] = module
    spec.loader.exec_module(module)
    named = {"config": config, "cache_dir": f"{work}/cache"}
    with Interface(config=config, cache=named["cache_dir"], interactive=False) as archive:
        cohort = list(archive.cohort({"t1": PATH}))[: int(number)]
    whole = module.build(cohort, named, Path(work))
    if here == "1":
        for name in whole.list_node_names():
            if name.endswith((".source", ".sink")):
                whole.get_node(name).run_without_submitting = True
    whole.config["execution"] = {
        "crashdump_dir": f"{work}/crash",
        "stop_on_first_crash": "false",
        "poll_sleep_duration": 1.0,
    }
    if plugin == "MultiProc":
        pool = MultiProcPlugin({"n_procs": len(os.sched_getaffinity(0))}, bool)
        whole.config["execution"]["poll_sleep_duration"] = 0.1
        try:
            whole.run(plugin=pool)
        finally:
            pool.stop()
    elif plugin.startswith("+"):
        whole.run(plugin=cluster_plugin(plugin[1:]))
    else:
        whole.run(plugin=plugin, plugin_args={"dont_resubmit_completed_jobs": False})


if __name__ == "__main__":
    main(*sys.argv[1:])
