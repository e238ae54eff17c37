"""What an archive holds, kept to be put into others: quicker than filling each by requests."""

import sqlite3
from contextlib import closing


class Snapshot:
    """The database and the contents of an archive, as they are now."""

    def __init__(self, archive):
        self._memory = sqlite3.connect(":memory:", check_same_thread=False)
        with closing(sqlite3.connect(archive.root / "archive.sqlite", timeout=30)) as file:
            file.backup(self._memory)
        root = archive.root / "files"
        self._contents = {
            path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()
        }

    def put_into(self, archive):
        """Let a fresh archive of the same settings hold the same."""
        with closing(sqlite3.connect(archive.root / "archive.sqlite", timeout=30)) as file:
            self._memory.backup(file)
        for name, content in self._contents.items():
            path = archive.root / "files" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        with archive.database.change():
            pass  # answers that the server keeps are old now
