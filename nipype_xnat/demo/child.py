"""Run a script in a process that does not outlive the one that started it.

``python -m nipype_xnat.demo.child SCRIPT ARGUMENTS`` runs the script as a program. The starter
holds a pipe to standard input; when that breaks, because the starter was killed however hard, the
script and all the processes it started are killed too. Otherwise workers would go on in a working
directory that the next run takes for its own.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def main() -> None:
    """Run the script that the arguments name."""
    os.setsid()
    threading.Thread(target=_die_with_starter, daemon=True).start()
    del sys.argv[0]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except KeyboardInterrupt:  # before the script could take it
        print("Interrupted; run again with the same folder to go on", file=sys.stderr)
        sys.exit(130)


def _die_with_starter() -> None:
    while os.read(0, 1024):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()
