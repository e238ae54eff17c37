"""What a test's archives gave to those who logged in."""

from nipype_xnat.server.sessions import Sessions


def opened(monkeypatch):
    """Return a list of the ids and tokens of each log-in session from now on."""
    found = []
    original = Sessions.open

    def open_and_note(self, person):
        session = original(self, person)
        found.extend((session.id, session.csrf))
        return session

    monkeypatch.setattr(Sessions, "open", open_and_note)
    return found
