"""Headless Chromium over chromedriver's WebDriver protocol, with nothing but the standard library."""

import base64
import json
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def missing():
    """The programs that a test needs and this host does not have."""
    return [name for name in ("chromium", "chromedriver") if not shutil.which(name)]


class Browser:
    def __init__(self, width=1280, height=900, dark=False):
        self._profile = tempfile.TemporaryDirectory(prefix="rootstock-chromium-", ignore_cleanup_errors=True)
        self._port = free_port()
        self._driver = subprocess.Popen(["chromedriver", f"--port={self._port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                     "--disable-component-update", "--disable-sync", f"--user-data-dir={self._profile.name}", f"--window-size={width},{height}"]
        if dark:
            arguments.append("--force-dark-mode")
        capabilities = {"browserName": "chrome", "goog:chromeOptions": {"args": arguments, "binary": shutil.which("chromium")},
                        "goog:loggingPrefs": {"browser": "ALL"}}
        self._session = None
        deadline = time.monotonic() + 60
        while True:
            try:
                self._session = self._call("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}}, root=True)["sessionId"]
                break
            except (ConnectionError, urllib.error.URLError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _call(self, method, path, body=None, root=False):
        url = f"http://127.0.0.1:{self._port}" + (path if root else f"/session/{self._session}{path}")
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"].split("\n")[0]) from None

    def close(self):
        try:
            if self._session:
                self._call("DELETE", "")
        finally:
            self._driver.terminate()
            self._driver.wait(20)
            self._profile.cleanup()

    def open(self, url):
        self._call("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        return self._call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, css):
        return self._call("POST", "/element", {"using": "css selector", "value": css})[ELEMENT]

    def wait(self, what, script, *arguments, seconds=60):
        """Until `script` returns something true; gives it."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.run(script, *arguments)
            if found:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s: {what}\n{self.text('body')[:3000]}")
            time.sleep(0.05)

    def wait_for(self, css, seconds=60):
        return self.wait(css, "return !!document.querySelector(arguments[0])", css, seconds=seconds)

    def wait_text(self, css, text, seconds=60):
        return self.wait(f"{text!r} in {css}", "const e = document.querySelector(arguments[0]); return e && e.innerText.includes(arguments[1])", css, text,
                         seconds=seconds)

    def wait_gone(self, css, seconds=60):
        return self.wait(f"no {css}", "return !document.querySelector(arguments[0])", css, seconds=seconds)

    def click(self, css):
        self.wait_for(css)
        for attempt in range(20):
            try:  # a live page may rebuild the element between finding and clicking
                self._call("POST", f"/element/{self.find(css)}/click", {})
                return
            except AssertionError as error:
                if attempt == 19 or "stale" not in str(error):
                    raise
                time.sleep(0.1)

    def type(self, css, text):
        element = self.find(css)
        self._call("POST", f"/element/{element}/clear", {})
        self._call("POST", f"/element/{element}/value", {"text": text})

    def keys(self, text):
        """Into what has the focus; \\ue004 is Tab, \\ue007 Enter, \\ue00c Escape."""
        actions = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def text(self, css):
        return self.run("return document.querySelector(arguments[0])?.innerText || ''", css)

    def resize(self, width, height):
        self._call("POST", "/window/rect", {"width": width, "height": height})

    def screenshot(self, path):
        pathlib.Path(path).write_bytes(base64.b64decode(self._call("GET", "/screenshot")))

    def errors(self):
        """What the page complained of in the console."""
        return [entry["message"] for entry in self._call("POST", "/se/log", {"type": "browser"}) if entry["level"] == "SEVERE"]
