"""Run one session of the BET cohort through a plugin of Nipype's own, with words for bet's job.

``python -m support.clusters.submit_held CONFIG WORK CACHE SESSION PLUGIN ARGUMENTS``; ARGUMENTS is
a JSON object, the ``plugin_args`` of the node ``bet``.
"""

import json
import os
import sys

from support.clusters.submit import workflow


def main(config, work, cache, session, plugin, arguments):
    """Run it."""
    os.environ.setdefault("FSLOUTPUTTYPE", "NIFTI_GZ")
    whole = workflow(config, work, cache)
    others = [record["name"] for record in whole.cohort if record["name"] != session]
    whole.remove_nodes([whole.get_node(name) for name in others])
    whole.cohort = whole.cohort.only(session)
    whole.get_node(f"{session}.bet").plugin_args = json.loads(arguments)
    whole.config["execution"] = {
        "crashdump_dir": f"{work}/crash",
        "crashfile_format": "txt",
        "job_finished_timeout": 2,
        "poll_sleep_duration": 0.5,
    }
    whole.run(plugin=plugin)


if __name__ == "__main__":
    main(*sys.argv[1:])
