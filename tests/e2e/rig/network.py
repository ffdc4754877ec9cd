"""A network of its own: one namespace with a bridge that PCs and the server hang on, and a wire to the host for who wants to look in.

    host  --veth--  namespace: br0 10.20.0.1/24  --tap--  PC
                                                 --tap--  PC
Everything lives in the namespace, so removing that removes all of it, and two runs do not see each other.
"""

import contextlib
import os
import re
import subprocess

SERVER_ADDRESS = "10.20.0.1"
BRIDGE = "br0"
HOST_ADDRESS = "169.254.20.1"


def _ip(*arguments):
    finished = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if finished.returncode != 0:
        raise OSError(f"ip {' '.join(arguments)}: {finished.stderr.strip()}")


def remove_abandoned():
    """Removes the networks of runs that were killed: those that carry the id of a process that is gone."""
    for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else []:
        owner = re.fullmatch(r"rs-(?:demo-)?(\d+)", name)
        if owner and not os.path.exists(f"/proc/{owner[1]}"):
            with contextlib.suppress(OSError):
                _ip("netns", "delete", name)


class Network:
    def __init__(self, name=None):
        remove_abandoned()
        self.name = name or f"rs-{os.getpid()}"
        self.taps = 0
        _ip("netns", "add", self.name)
        try:
            self._inside("link", "set", "lo", "up")
            self._inside("link", "add", BRIDGE, "type", "bridge", "forward_delay", "0")
            self._inside("address", "add", f"{SERVER_ADDRESS}/24", "dev", BRIDGE)
            self._inside("link", "set", BRIDGE, "up")
        except BaseException:
            self.remove()
            raise

    def _inside(self, *arguments):
        _ip("-netns", self.name, *arguments)

    def command(self, *words):
        """The command line that runs `words` in the network. It becomes the program itself (the process id is the program's), which ends with us
        however we end."""
        return ["setpriv", "--pdeathsig", "KILL", "nsenter", f"--net=/run/netns/{self.name}", "--", *map(str, words)]

    def run(self, *words, **options):
        """Runs a program in the network to its end and gives what it said."""
        options = {"timeout": 60, "errors": "replace", **options}  # iscsi-inq prints bytes as they are
        return subprocess.run(self.command(*words), capture_output=True, text=True, **options)

    def add_tap(self):
        """A network card's other end; gives the interface name for QEMU."""
        tap = f"tap{self.taps}"
        self.taps += 1
        self._inside("tuntap", "add", tap, "mode", "tap")
        self._inside("link", "set", tap, "master", BRIDGE, "up")
        return tap

    def add_address(self, address):
        """A further address of the server, with its network."""
        self._inside("address", "add", address, "dev", BRIDGE)

    def remove_address(self, address):
        self._inside("address", "delete", address, "dev", BRIDGE)

    def wire_to_host(self):
        """Lets the host's own programs (a browser) reach the server at its own address; gives the web page's address.

        A veth pair and one host route: while it lasts, the host's way to this one address leads here.
        """
        outer = f"rs{os.getpid()}"
        _ip("link", "add", outer, "type", "veth", "peer", "name", "host0", "netns", self.name)
        _ip("address", "add", f"{HOST_ADDRESS}/32", "dev", outer)
        _ip("link", "set", outer, "up")
        self._inside("link", "set", "host0", "up")
        self._inside("route", "add", f"{HOST_ADDRESS}/32", "dev", "host0")
        _ip("route", "add", f"{SERVER_ADDRESS}/32", "dev", outer, "src", HOST_ADDRESS)
        return f"http://{SERVER_ADDRESS}:8080/"

    def remove(self):
        with contextlib.suppress(OSError):
            _ip("netns", "delete", self.name)
