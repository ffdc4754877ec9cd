"""The command line on disk images: check, convert, import and export, against qemu-img, without a server."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

BINARY = Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 else Path("rootstock")
MIB = 1024 * 1024
SKIPPED = 77


class ImageFiles(unittest.TestCase):
    def setUp(self):
        self.directory = Path(tempfile.mkdtemp(prefix="rootstock-cli-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.data = self.directory / "data"
        self.data.mkdir()
        self.config = self.directory / "rootstock.toml"
        self.config.write_text(f'[server]\ndata = "{self.data}"\n[dhcp]\nmode = "off"\n')
        self.raw = self.directory / "disk.raw"
        contents = bytearray(24 * MIB)
        contents[: 3 * MIB] = os.urandom(3 * MIB)
        contents[-512:] = os.urandom(512)
        self.raw.write_bytes(contents)

    def run_tool(self, *words, **more):
        return subprocess.run([BINARY, "--config", self.config, *words], capture_output=True, timeout=120, cwd=self.directory, **more)

    def tool(self, *words, **more):
        finished = self.run_tool(*words, **more)
        self.assertEqual(finished.returncode, 0, finished.stderr)
        return finished.stdout.decode()

    def refused(self, *words, **more):
        finished = self.run_tool(*words, **more)
        self.assertEqual(finished.returncode, 1, finished.stdout)
        return (finished.stdout + finished.stderr).decode()

    def qemu_img(self, *words):
        subprocess.run(["qemu-img", *words], check=True, capture_output=True, timeout=120)

    def assert_same(self, file, qemu_format):
        self.qemu_img("compare", "-f", "raw", "-F", qemu_format, self.raw, file)

    def left_over(self):
        return [str(path) for path in self.directory.rglob("*.tmp")]

    def test_convert_and_check(self):
        """Each format holds what the last one held, and check finds it sound."""
        source = self.raw
        formats = {"vhdx": "vhdx", "vhdx-fixed": "vhdx", "vhd": "vpc", "vhd-fixed": "vpc", "qcow2": "qcow2", "vmdk": "vmdk", "raw": "raw"}
        for name, qemu_format in formats.items():
            with self.subTest(name):
                target = self.directory / f"disk-{name}"
                self.tool("image", "convert", source, target, "--format", name)
                self.assert_same(target, qemu_format)
                report = json.loads(self.tool("image", "check", target, "--json"))
                self.assertTrue(report["sound"])
                self.assertEqual(report["size_bytes"], 24 * MIB)
                source = target
        self.assertEqual(self.left_over(), [])

    def test_damage(self):
        """Damage ends check and convert with 1, the rule, and no output; nothing is written over without --force."""
        self.tool("image", "convert", self.raw, "disk.vhdx")
        with open(self.directory / "disk.vhdx", "r+b") as file:
            file.seek(3 * MIB)
            file.write(b"\x05")
        self.assertIn("[MS-VHDX] 2.5.1", self.refused("image", "check", "disk.vhdx"))
        self.assertFalse(json.loads(self.refused("image", "check", "disk.vhdx", "--json"))["sound"])
        self.assertIn("[MS-VHDX] 2.5.1", self.refused("image", "convert", "disk.vhdx", "out.raw"))
        self.assertFalse((self.directory / "out.raw").exists())
        self.assertIn("--force", self.refused("image", "convert", self.raw, "disk.vhdx"))
        self.tool("image", "convert", self.raw, "disk.vhdx", "--force")
        self.assert_same(self.directory / "disk.vhdx", "vhdx")

    def test_import_and_export(self):
        """A compressed qcow2 becomes an image, and comes out again; standard input of any format does."""
        self.qemu_img("convert", "-c", "-f", "raw", "-O", "qcow2", self.raw, self.directory / "disk.qcow2")
        self.tool("image", "import", "disk.qcow2", "--name", "one")
        self.tool("image", "export", "one", "one.vhd")
        self.assert_same(self.directory / "one.vhd", "vpc")
        with open(self.directory / "one.vhd", "rb") as file:
            self.tool("image", "import", "-", "--name", "two", stdin=file)
        self.tool("image", "export", "two", "two.raw")
        self.assert_same(self.directory / "two.raw", "raw")
        self.assertIn("has the SHA-256", self.refused("image", "import", "disk.qcow2", "--name", "three", "--sha256", "0" * 64))
        self.tool("machine", "assign", "52:54:00:aa:00:07", "--name", "lab1-07", "--image", "one")
        self.assertIn("no disk of its own", self.refused("machine", "export", "lab1-07", "lab.vhdx"))
        self.assertEqual(self.left_over(), [])

    def test_interrupt(self):
        """Ctrl-C while standard input is read leaves nothing."""
        process = subprocess.Popen([BINARY, "--config", self.config, "image", "import", "-", "--name", "x"], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while not self.left_over() and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertTrue(self.left_over())
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1)
        self.assertIn(b"cancelled", errors)
        self.assertEqual(self.left_over(), [])


if __name__ == "__main__":
    if shutil.which("qemu-img") is None:
        print("qemu-img is not installed: skipped (apt install qemu-utils)")
        sys.exit(SKIPPED)
    unittest.main()
