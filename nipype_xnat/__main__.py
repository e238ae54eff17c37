"""``python -m nipype_xnat`` is the command nipype-xnat."""

import sys

from .cli.main import main

if __name__ == "__main__":
    sys.exit(main())
