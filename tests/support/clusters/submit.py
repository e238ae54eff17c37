"""Run the BET cohort of the example in a process of its own, as a user's script does.

``python submit.py CONFIG WORK CACHE PLUGIN ARGUMENTS``, where PLUGIN is a name that Nipype knows,
or such a name after a ``+`` for this package's own; ARGUMENTS is a JSON object.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

from nipype_xnat import cluster_plugin
from nipype_xnat.cli.demo import example
from nipype_xnat.demo import running

CRITERIA = "xnat:mrSessionData/AGE > 85"
SESSIONS = ("DEMO005_MR1", "DEMO008_MR1", "DEMO016_MR1")


def workflow(config, work, cache):
    """Make the workflow of the cohort's three sessions."""
    spec = importlib.util.spec_from_file_location("bet_cohort", example("bet_cohort"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["bet_cohort"] = module
    spec.loader.exec_module(module)
    named = {"config": config, "cache_dir": cache}
    path = "/projects/DEMO/experiments/*/scans/*[type=T1w*]/resources/NIFTI*/files/*"
    with running.connect(named) as archive:
        cohort = archive.cohort({"t1": f"{path}[name=*.nii.gz,*.nii,*.img]"}, criteria=CRITERIA)
    return module.build(cohort, named, Path(work))


def main(config, work, cache, plugin, arguments):
    """Run it."""
    os.environ.setdefault("FSLOUTPUTTYPE", "NIFTI_GZ")
    whole = workflow(config, work, cache)
    whole.config["execution"] = {
        "crashdump_dir": f"{work}/crash",
        "crashfile_format": "txt",
        "stop_on_first_crash": "false",
        "poll_sleep_duration": 0.5,
    }
    given = json.loads(arguments)
    if plugin.startswith("+"):
        whole.run(plugin=cluster_plugin(plugin[1:], given))
    else:
        whole.run(plugin=plugin, plugin_args=given)


if __name__ == "__main__":
    main(*sys.argv[1:])
