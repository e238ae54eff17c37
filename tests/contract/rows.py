"""All rows: every module here whose name begins with ``rows_`` has some."""

import importlib
import pkgutil

from . import __name__ as package
from . import __path__ as folder

MODULES = [
    importlib.import_module(f"{package}.{found.name}")
    for found in pkgutil.iter_modules(folder)
    if found.name.startswith("rows_")
]
ROWS = [row for module in MODULES for row in module.ROWS]
