"""Answers of the misbehaving server that come slowly over one connection.

An open range, or none, comes in small pieces with pauses; what becomes of a range with an end
differs. Shares no code with the package.
"""

import re
import time
from email.utils import formatdate

PIECE = 1 << 16
PAUSE = 0.01
LONG_AGO = 1_600_000_000


class Slow:
    """Behaviours of ``hostile.Handler`` whose names begin with ``slow-``."""

    def asked(self, data):
        """Return first byte, last byte, and whether the last one was named."""
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "bytes=0-"))
        return int(match[1]), int(match[2] or len(data) - 1), bool(match[2])

    def begin(self, data, first, last, *, status=None, place=None, modified=LONG_AGO, total=None):
        self.send_response(status or (206 if "Range" in self.headers else 200))
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Disposition", "attachment")
        self.send_header("Content-Length", str(last + 1 - first))
        self.send_header("Last-Modified", formatdate(modified, usegmt=True))
        if "Range" in self.headers and status is None:
            place = place or f"{first}-{last}"
            self.send_header("Content-Range", f"bytes {place}/{total or len(data)}")
        self.end_headers()

    def drip(self, body):
        for at in range(0, len(body), PIECE):
            self.wfile.write(body[at : at + PIECE])
            self.wfile.flush()
            time.sleep(PAUSE)

    def first_one(self, data):
        """Answer what is not a range with an end; tell whether that was done."""
        first, last, segment = self.asked(data)
        if not segment:
            self.begin(data, first, last)
            self.drip(data[first:])
        return not segment

    def get_slow_each(self, data):
        """Every connection is as slow as any other."""
        first, last, _ = self.asked(data)
        self.begin(data, first, last)
        self.drip(data[first : last + 1])

    def get_slow_first(self, data):
        if not self.first_one(data):
            first, last, _ = self.asked(data)
            self.begin(data, first, last)
            self.wfile.write(data[first : last + 1])

    def get_slow_no_range(self, data):
        self.begin(data, 0, len(data) - 1, status=200)
        self.drip(data)

    def get_slow_other_place(self, data):
        """A segment begins one byte too early, and says so."""
        if not self.first_one(data):
            first, last, _ = self.asked(data)
            self.begin(data, first - 1, last - 1)
            self.wfile.write(data[first - 1 : last])

    def get_slow_other_size(self, data):
        if not self.first_one(data):
            first, last, _ = self.asked(data)
            self.begin(data, first, last, total=len(data) + 1)
            self.wfile.write(data[first : last + 1])

    def get_slow_changed(self, data):
        """Another file of the same size is there when a segment is asked for."""
        if not self.first_one(data):
            first, last, _ = self.asked(data)
            self.begin(data, first, last, modified=LONG_AGO + 60)
            self.wfile.write(b"?" * (last + 1 - first))

    def get_slow_lying(self, data):
        """A segment has other bytes: nothing but the digest tells."""
        if not self.first_one(data):
            first, last, _ = self.asked(data)
            self.begin(data, first, last)
            self.wfile.write(b"?" * (last + 1 - first))

    def get_slow_busy(self, data):
        if not self.first_one(data):
            self.answer(503, b"busy", Retry_After="60")

    def get_slow_cut(self, data, after):
        """Each answer for a segment ends early."""
        if not self.first_one(data):
            first, last, _ = self.asked(data)
            self.begin(data, first, last)
            self.wfile.write(data[first : min(first + after, last + 1)])
            self.wfile.flush()
            self.close_connection = True

    def get_slow_then_silent(self, data, beyond):
        """Segments beyond a byte begin, and nothing follows until it is released."""
        if not self.first_one(data):
            first, last, _ = self.asked(data)
            self.begin(data, first, last)
            if first > beyond:
                self.state.release.wait(60)
            self.wfile.write(data[first : last + 1])

    def get_slow_no_more(self, data, beyond):
        """Segments beyond a byte are refused."""
        if self.asked(data)[2] and self.asked(data)[0] > beyond:
            self.answer(503, b"busy")
        else:
            self.get_slow_first(data)
