"""A program's output as it comes: kept in a file, searched by deadline."""

import re
import threading
import time


class NotSeen(AssertionError):
    """The text did not come in time, or never will."""


class Console:
    """Reads `stream` in a thread until its end. Positions count characters since the start, so that a search can say "from here on"."""

    def __init__(self, name, stream, path):
        self.name = name
        self.path = path
        self._text = ""
        self._ended = False
        self._changed = threading.Condition()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream):
        with open(self.path, "ab", buffering=0) as kept, stream:
            while chunk := stream.read1(65536):
                kept.write(chunk)
                with self._changed:
                    self._text += chunk.decode("latin-1")
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def ended(self):
        with self._changed:
            return self._ended

    @property
    def position(self):
        with self._changed:
            return len(self._text)

    def text(self, start=0):
        with self._changed:
            return self._text[start:]

    def find(self, pattern, start=0):
        return re.search(pattern, self.text(start))

    def wait_for(self, pattern, seconds, start=0, failure=None):
        """The first match after `start`. `failure`: a pattern that ends the wait at once."""
        deadline = time.monotonic() + seconds
        wanted, unwanted = re.compile(pattern), failure and re.compile(failure)
        with self._changed:
            while True:
                text = self._text[start:]
                if match := wanted.search(text):
                    return match
                if unwanted and (match := unwanted.search(text)):
                    raise NotSeen(f"{self.name}: {match[0]!r} instead of {pattern!r}\n{self._tail()}")
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    why = "ended without" if self._ended else f"did not say within {seconds:.0f} s"
                    raise NotSeen(f"{self.name} {why} {pattern!r}; the whole of it: {self.path}\n{self._tail()}")
                self._changed.wait(left)

    def _tail(self, lines=25):
        clean = re.sub(r"\x1b\[[0-9;?=]*[A-Za-z]|\r", "", self._text)
        return "\n".join("    | " + line for line in clean.splitlines()[-lines:])
