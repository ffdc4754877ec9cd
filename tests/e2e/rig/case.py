"""The base of all end-to-end tests: a network for each, servers and PCs that end with it, logs that are kept when it fails.

What CTest sets:
    E2E_ROOTSTOCK   the program under test
    E2E_GUEST       a guest's disk image (scripts/make-guest)
    E2E_INITIATOR   the folder of the initiator's kernel and initramfs (scripts/make-guest --kind initiator)
    E2E_DIRECTORY   where each test makes a folder for its data and logs
    E2E_PATIENCE    optional: multiplies every deadline
"""

import os
import shutil
import sys
import unittest
from pathlib import Path

from .network import Network
from .pc import Pc
from .server import Server

SOURCE = Path(__file__).resolve().parents[3]
BINARY = Path(os.environ.get("E2E_ROOTSTOCK", SOURCE / "build/release/rootstock"))
GUEST = Path(os.environ.get("E2E_GUEST", SOURCE / "build/release/e2e/guest.raw"))
INITIATOR = Path(os.environ.get("E2E_INITIATOR", SOURCE / "build/release/e2e/initiator"))
DIRECTORY = Path(os.environ.get("E2E_DIRECTORY", SOURCE / "build/release/e2e"))
IMAGE = "guest"


def machine_section(name, mac, mode="persistent"):
    return f'[[machine]]\nname = "{name}"\nmac = "{mac}"\nimage = "{IMAGE}"\nmode = "{mode}"\n\n'


class Case(unittest.TestCase):
    maxDiff = None

    def run(self, result=None):
        broken = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) == broken:
            shutil.rmtree(self.directory, ignore_errors=True)
        else:
            print(f"\nLogs of {self.id()} are kept in {self.directory}", file=sys.stderr)
        return result

    @property
    def directory(self):
        return DIRECTORY / self.id()

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("needs root: network namespaces")
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        self.network = Network()
        self.addCleanup(self.network.remove)

    def server(self, *sections, image=True, binary=BINARY):
        """A server that is not started yet, with the guest imported as image "guest"."""
        server = Server(self.network, self.directory, binary, "\n".join(sections))
        self.addCleanup(server.kill)
        if image:
            server.import_image(GUEST, IMAGE)
            server.configure(f'[[image]]\nname = "{IMAGE}"\n\n' + "\n".join(sections))
        return server

    def pc(self, mac, firmware="bios", **options):
        """A PC that is still off."""
        pc = Pc(self.network, mac, self.directory, firmware, **options)
        self.addCleanup(pc.power_off)
        return pc

    def assert_one_line(self, message, *patterns):
        """An error as users should get it: a single line that says what, where and how to mend it."""
        self.assertEqual(len(message.strip().splitlines()), 1, f"not one line: {message!r}")
        for pattern in patterns:
            self.assertRegex(message, pattern)
