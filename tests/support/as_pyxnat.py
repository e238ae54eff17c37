"""A pytest plugin: this package under the name ``pyxnat``, for pyxnat's own tests.

``pyxnat`` becomes a module whose attributes are this package's and whose ``tests`` are those of a
checkout. pyxnat keeps its public modules in ``pyxnat.core``, so the names there lead to the modules
that do the same here; nothing answers for them.
"""

import importlib
import importlib.abc
import importlib.machinery
import os
import sys
import types
from pathlib import Path

PLACES = {
    "interfaces": ["nipype_xnat.client"],
    "resources": ["nipype_xnat.select.elements", "nipype_xnat.select.selection"],
    "select": ["nipype_xnat.select"],
    "errors": ["nipype_xnat.errors"],
    "manage": ["nipype_xnat.manage"],
    "array": ["nipype_xnat.inspection"],
    "xpath_store": ["nipype_xnat.inspection"],
    "search": ["nipype_xnat.manage", "nipype_xnat.search"],
    "attributes": ["nipype_xnat.select.attributes"],
    "tags": ["nipype_xnat.select.tags"],
    "jsonutil": ["nipype_xnat.jsonutil"],
    "help": ["nipype_xnat.inspection"],
    "users": ["nipype_xnat.manage"],
    "pipelines": ["nipype_xnat.manage"],
}
NAMES = {
    # an error of the server, whatever it says
    ("errors", "DatabaseError"): "AnswerError",
    ("resources", "In_Resource"): "InResource",
    ("resources", "Out_Resource"): "OutResource",
}


class Front(types.ModuleType):
    """A module of pyxnat's, made of modules of this package."""

    def __init__(self, name, places):
        super().__init__(name)
        self.__dict__["_places"] = places

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        word = self.__name__.rpartition(".")[2]
        for place in self._places:
            try:
                module = importlib.import_module(place)
            except ModuleNotFoundError:
                continue
            wanted = NAMES.get((word, name), name)
            if hasattr(module, wanted):
                return getattr(module, wanted)
        if self.__name__ in ("pyxnat", "pyxnat.core") and name in PLACES:
            return importlib.import_module(f"pyxnat.core.{name}")
        raise AttributeError(f"this package has no {name!r} for {self.__name__}")


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds ``pyxnat`` and what is public in ``pyxnat.core``."""

    def __init__(self, root):
        self.root = root

    def find_spec(self, fullname, path=None, target=None):
        if fullname in ("pyxnat", "pyxnat.core"):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        front, _, word = fullname.rpartition(".")
        if front == "pyxnat.core" and word in PLACES and self._there(word):
            return importlib.machinery.ModuleSpec(fullname, self)
        return None

    @staticmethod
    def _there(word):
        try:
            importlib.import_module(PLACES[word][0])
        except ModuleNotFoundError:
            return False
        return True

    def create_module(self, spec):
        word = spec.name.rpartition(".")[2]
        return Front(spec.name, PLACES.get(word, ["nipype_xnat"]))

    def exec_module(self, module):
        if module.__name__ == "pyxnat":
            module.__path__ = [str(self.root / "pyxnat")]
            module.__file__ = str(self.root / "pyxnat" / "__init__.py")
        elif module.__name__ == "pyxnat.core":
            module.__path__ = []


sys.meta_path.insert(0, Finder(Path(os.environ["PYXNAT_SUITE"])))
