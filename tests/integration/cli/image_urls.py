"""`rootstock image import URL` against servers that break, lie, redirect and delay; and against one with a certificate: python3 image_urls.py ROOTSTOCK"""

import hashlib
import http.server
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

BINARY = Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 else Path("rootstock")
MIB = 1024 * 1024
CONTENT = os.urandom(3 * MIB) + bytes(5 * MIB)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Files(http.server.BaseHTTPRequestHandler):
    """Each path is another way to serve CONTENT."""

    protocol_version = "HTTP/1.1"
    log = []  # (path, Range)
    broken = 0
    content, etag = CONTENT, '"v1"'

    def log_message(self, *_):
        pass

    def do_GET(self):
        path, _, query = self.path.partition("?")
        Files.log.append((path, self.headers.get("Range")))
        getattr(self, "serve_" + path.strip("/").replace("-", "_"), self.serve_nothing)(query)

    def serve_nothing(self, _):
        self.send_error(404)

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            if value is not None:
                self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def file(self, cut=None, **headers):
        """The file or what is asked of it, at most `cut` bytes before the connection breaks."""
        content, first = Files.content, 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and self.headers.get("If-Range") == Files.etag:
            first = int(asked[1])
        body = content[first:]
        status, more = (206, {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"}) if first else (200, {})
        self.answer(status, {"Content-Length": len(body), "ETag": Files.etag, **more, **headers}, body if cut is None else body[:cut])
        if cut is not None and cut < len(body):
            self.close_connection = True

    def serve_good(self, _):
        self.file()

    def serve_breaks(self, _):
        Files.broken += 1
        self.file(cut=MIB if Files.broken < 4 else None)

    def serve_changes(self, _):
        Files.broken += 1
        if Files.broken == 1:
            self.file(cut=MIB)
        else:
            Files.content, Files.etag = CONTENT[::-1], '"v2"'
            self.file()

    def serve_no_resume(self, _):
        Files.broken += 1
        self.answer(200, {"Content-Length": len(CONTENT)}, CONTENT[:MIB] if Files.broken == 1 else CONTENT)
        self.close_connection = True

    def serve_busy(self, _):
        Files.broken += 1
        if Files.broken < 3:
            return self.answer(503, {})
        return self.file()

    def serve_always_short(self, _):
        self.answer(200, {"Content-Length": len(CONTENT), "ETag": Files.etag}, b"x")
        self.close_connection = True

    def serve_wrong_part(self, _):
        if self.headers.get("Range"):
            self.answer(206, {"Content-Range": f"bytes 0-9/{len(CONTENT)}"}, CONTENT[:10])
        else:
            self.file(cut=MIB)

    def serve_moved(self, _):
        self.answer(302, {"Location": "/good"})

    def serve_loop(self, _):
        self.answer(302, {"Location": "/loop"})

    def serve_away(self, query):
        self.answer(302, {"Location": query})

    def serve_zipped(self, _):
        self.file(**{"Content-Encoding": "gzip"})

    def serve_huge(self, _):
        self.answer(200, {"Content-Length": 1 << 46}, b"x")
        self.close_connection = True

    def serve_slow(self, _):
        self.answer(200, {"Content-Length": len(CONTENT)}, CONTENT[:MIB])
        try:
            while not self.server.over.wait(0.05):
                self.wfile.write(b"x")
        except OSError:
            pass
        self.close_connection = True


class Servers:
    """HTTP, and HTTPS with a certificate of our own for localhost."""

    def __init__(self, directory):
        self.over = threading.Event()
        self.plain = self.start()
        key, self.certificate = directory / "key.pem", directory / "cert.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", self.certificate, "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True, timeout=60)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.tls = self.start(context)

    def start(self, context=None):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
        server.over = self.over
        server.daemon_threads = True
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.handle_error = lambda *_: None  # clients that go away are the test
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def stop(self):
        self.over.set()
        for server in (self.plain, self.tls):
            server.shutdown()
            server.server_close()


class ImageUrls(unittest.TestCase):
    def setUp(self):
        self.directory = Path(tempfile.mkdtemp(prefix="rootstock-url-"))
        self.addCleanup(shutil.rmtree, self.directory)
        (self.directory / "data").mkdir()
        self.config = self.directory / "rootstock.toml"
        self.config.write_text(f'[server]\ndata = "{self.directory}/data"\n[dhcp]\nmode = "off"\n')
        self.servers = Servers(self.directory)
        self.addCleanup(self.servers.stop)
        Files.log, Files.broken, Files.content, Files.etag = [], 0, CONTENT, '"v1"'

    def url(self, path, host="127.0.0.1"):
        return f"http://{host}:{self.servers.plain.server_port}/{path}"

    def tls_url(self, path, host="localhost"):
        return f"https://{host}:{self.servers.tls.server_port}/{path}"

    def words(self, url, *more, name="win11"):
        return [BINARY, "--config", self.config, "image", "import", url, "--name", name, *more]

    def imported(self, url, *more, content=CONTENT):
        done = subprocess.run(self.words(url, *more), capture_output=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        exported = self.directory / "out.raw"
        subprocess.run([BINARY, "--config", self.config, "image", "export", "win11", exported, "--force"], check=True, capture_output=True, timeout=60)
        self.assertEqual(exported.read_bytes()[:len(content)], content)
        self.assert_nothing_left()

    def refused(self, url, *more):
        done = subprocess.run(self.words(url, *more, name="refused"), capture_output=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assert_nothing_left()
        listing = subprocess.run([BINARY, "--config", self.config, "image", "list"], capture_output=True, timeout=60, check=True)
        self.assertNotIn(b"refused", listing.stdout)
        return done.stderr.decode()

    def assert_nothing_left(self):
        self.assertEqual([str(path) for path in self.directory.rglob("*.tmp")], [])

    def test_whole_file(self):
        """The file, its digest checked; redirected; from a server that is busy at first."""
        self.imported(self.url("good"), "--sha256", DIGEST)
        self.assertEqual(Files.log, [("/good", None)])
        self.imported(self.url("moved?token=x"))
        self.imported(self.url("busy"))

    def test_broken_connections(self):
        """What broke goes on where it broke; another file, or one that cannot be told apart, begins anew."""
        self.imported(self.url("breaks"), "--sha256", DIGEST)
        self.assertEqual(Files.log, [("/breaks", None)] + [("/breaks", f"bytes={part * MIB}-") for part in (1, 2, 3)])
        Files.log, Files.broken = [], 0
        self.imported(self.url("no-resume"))
        self.assertEqual(Files.log, [("/no-resume", None)] * 2)
        Files.broken = 0
        self.imported(self.url("changes"), content=CONTENT[::-1])

    def test_refused(self):
        """Every refusal says why, and leaves nothing."""
        self.assertIn("has the SHA-256 " + DIGEST, self.refused(self.url("good"), "--sha256", "0" * 64))
        self.assertIn("answers 404", self.refused(self.url("missing")))
        self.assertIn("redirects", self.refused(self.url("loop")))
        self.assertIn("another part", self.refused(self.url("wrong-part")))
        self.assertIn("gzip", self.refused(self.url("zipped")))
        self.assertIn("are free in", self.refused(self.url("huge")))
        self.assertIn("redirected", self.refused(self.url("away?ftp://example.org/x")))
        self.assertIn("password", self.refused("http://user:secret@127.0.0.1/x"))
        self.assertNotIn("secret", self.refused("http://user:secret@127.0.0.1/x"))

    def test_ends_at_last(self):
        """A server that never brings the file is given up."""
        self.assertIn("not after some attempts", self.refused(self.url("always-short")))

    def test_certificates(self):
        """Verified, by name too; a redirect never leaves TLS."""
        self.assertIn("--ca", self.refused(self.tls_url("good")))
        self.imported(self.tls_url("good"), "--ca", self.servers.certificate)
        self.assertIn("verify failed", self.refused(self.tls_url("good", "127.0.0.1"), "--ca", self.servers.certificate))  # it is localhost's
        self.assertIn("not protected", self.refused(self.tls_url(f"away?{self.url('good')}"), "--ca", self.servers.certificate))
        self.assertIn("no file of certificate authorities", self.refused(self.tls_url("good"), "--ca", self.config))

    def test_cancel(self):
        """Ctrl-C in the middle leaves nothing, at once."""
        process = subprocess.Popen(self.words(self.url("slow")), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while not list(self.directory.rglob("download.*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertTrue(list(self.directory.rglob("download.*")))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1)
        self.assertIn(b"cancelled", errors)
        self.assert_nothing_left()


if __name__ == "__main__":
    unittest.main()
