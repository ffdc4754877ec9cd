"""The command line on disk images: check, convert, import and export, against qemu-img, without a server."""

import hashlib
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

    def packed(self, file, *compressor):
        target = self.directory / f"{file.name}.{compressor[0]}"
        with open(file, "rb") as plain, open(target, "wb") as output:
            subprocess.run(compressor, stdin=plain, stdout=output, check=True, timeout=120)
        return target

    def test_compressed(self):
        """Whatever was compressed, and by what: the disk is that of the image inside, and its temporary files are gone."""
        self.qemu_img("convert", "-O", "qcow2", self.raw, self.directory / "disk.qcow2")
        for file, compressor in (("disk.raw", "gzip"), ("disk.raw", "zstd"), ("disk.qcow2", "xz"), ("disk.qcow2", "bzip2")):
            with self.subTest(compressor):
                packed = self.packed(self.directory / file, compressor)
                self.tool("image", "convert", packed, "again.raw", "--force")
                self.assertEqual((self.directory / "again.raw").read_bytes(), self.raw.read_bytes())
        digest = hashlib.sha256(packed.read_bytes()).hexdigest()
        self.tool("image", "import", packed, "--name", "file", "--sha256", digest)
        with open(packed, "rb") as stream:
            self.tool("image", "import", "-", "--name", "stream", stdin=stream)
        for name in ("file", "stream"):
            self.tool("image", "export", name, "again.raw", "--force")
            self.assertEqual((self.directory / "again.raw").read_bytes(), self.raw.read_bytes())
        self.assertEqual(self.left_over(), [])

    def test_badly_packed(self):
        """A file that was cut short, one within another, and archives are refused with a word on what to do; nothing is left."""
        packed = self.packed(self.raw, "xz")
        short = self.directory / "short.xz"
        short.write_bytes(packed.read_bytes()[:-100000])
        self.assertRegex(self.refused("image", "import", short, "--name", "short"), "cannot unpack .*short.xz: .*[Uu]nexpected end")
        twice = self.packed(packed, "gzip")
        self.assertIn("is compressed", self.refused("image", "import", twice, "--name", "twice"))
        self.assertIn("unpack it first (xz -d)", self.refused("image", "check", packed))
        for kind in ("tar", "zip"):
            archive = shutil.make_archive(self.directory / "archive", kind, self.directory, "disk.raw")
            self.assertIn("take the image out of it", self.refused("image", "import", archive, "--name", "archive"))
        self.assertIn("[]", self.tool("image", "list", "--json"))
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
