"""Where an archive keeps what it holds: SQLite for facts, plain files for contents."""
