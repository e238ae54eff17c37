"""Winding an archive back to what it was, so that many rows can begin from one state."""

import sqlite3


class Rewind:
    """Remembers an archive as it is, and brings that back.

    What lives in the memory of the server, as log-in sessions, goes on.
    """

    def __init__(self, archive):
        self.archive = archive
        self._file = sqlite3.connect(
            archive.root / "archive.sqlite", timeout=30, check_same_thread=False
        )
        self._memory = sqlite3.connect(":memory:", check_same_thread=False)
        self._file.backup(self._memory)
        self._contents = {
            path: path.read_bytes()
            for path in (archive.root / "files").rglob("*")
            if path.is_file()
        }
        self._state = archive.database.state
        self._before = None

    def changed(self):
        """Tell whether the archive knows anything else than it did."""
        if self.archive.database.state == self._state:
            return False
        if self._before is None:
            self._before = "\n".join(self._memory.iterdump())
        return "\n".join(self._file.iterdump()) != self._before

    def back(self):
        """Bring the beginning back."""
        if self.archive.database.state == self._state:
            return
        self._memory.backup(self._file)
        for path, content in self._contents.items():
            if not path.exists():
                path.write_bytes(content)
        with self.archive.database.change():
            pass  # answers that the server keeps are old now
        self._state = self.archive.database.state

    def close(self):
        """Let go of the archive."""
        self._file.close()
        self._memory.close()
