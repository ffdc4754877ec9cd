"""A version goes to a few machines first, by the real server and the command line, and is taken back by itself when their boots fail.

    releases_test.py ROOTSTOCK

Loopback only.
"""
import json
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "machines"))
from initiator import Initiator, boot  # noqa: E402
from volumes_rig import GOOD, server  # noqa: E402

BLOCK = 4096
IMAGE_SIZE = 32 << 20
MACS = {f"lab1-0{number}": f"52:54:00:aa:00:0{number}" for number in range(1, 6)}
FIRST, CANARIES, OTHERS = "lab1-01", ("lab1-02", "lab1-03"), ("lab1-04", "lab1-05")


class Lab:
    """Machines in mode reset: each boot is on the version of the moment, which block 0 names."""

    def __init__(self, served):
        self.served = served
        self.ended = 0

    def boots(self, name, runs, writes=None):
        """A whole boot; the version it saw. Without a write the system never got anywhere (docs/boot.md)."""
        session = Initiator(self.served, boot(self.served, MACS[name]))
        status, data = session.command(struct.pack(">BBIxH", 0x28, 0, 0, 8), BLOCK)
        assert status == GOOD and data == data[:1] * BLOCK
        if runs:
            block, byte = writes or (100, 0xFF)
            assert session.command(struct.pack(">BBIxH", 0x2A, 0, block * 8, 8), data=bytes([byte]) * BLOCK)[0] == GOOD
        session.connection.close()
        self.ended += 1
        self.served.await_words(" iscsi.session.ended ", self.ended)
        return data[0]

    def publish(self, version, *words):
        """One machine writes the next version."""
        self.served.command("image", "update", "win11", "--on", FIRST)
        self.boots(FIRST, True, (0, version))
        return self.served.command("image", "publish", "win11", *words)


def check_bad_version(lab):
    lab.publish(2, "--for", ",".join(CANARIES), "--min-boots", "2")
    assert lab.boots(OTHERS[0], True) == 1
    for name in CANARIES:
        assert lab.boots(name, False) == 2
    for name in CANARIES:
        lab.boots(name, False)  # it was switched off and on: the boot before has failed
    lab.served.await_words("boot.release.rolled_back image=win11 version=2 previous=1")
    for name in CANARIES + OTHERS:
        assert lab.boots(name, True) == 1
    releases = json.loads(lab.served.command("image", "show", "win11", "--json"))
    assert "rolled_back" in json.dumps(releases), releases


def check_good_version(lab):
    lab.publish(3, "--for", ",".join(CANARIES), "--min-boots", "3")
    for name in CANARIES * 3:
        assert lab.boots(name, True) == 3
    assert lab.boots(OTHERS[0], True) == 1
    lab.served.command("image", "release", "win11")
    for name in CANARIES + OTHERS:
        assert lab.boots(name, True) == 3
    assert lab.served.words().count("boot.release.rolled_back") == 1


def check_rolled_back_by_hand(lab):
    lab.served.command("image", "rollback", "win11", "--to", "1")
    for name in CANARIES + OTHERS:
        assert lab.boots(name, True) == 1


def main():
    with server() as served:
        (served.folder / "win11.raw").write_bytes(bytes([1]) * IMAGE_SIZE)
        served.command("image", "import", str(served.folder / "win11.raw"), "--name", "win11")
        for name, mac in MACS.items():
            served.command("machine", "assign", mac, "--name", name, "--image", "win11", "--mode", "reset")
        lab = Lab(served)
        for name in MACS:
            assert lab.boots(name, True) == 1
        check_bad_version(lab)
        check_good_version(lab)
        check_rolled_back_by_hand(lab)
        served.command("store", "check", "--deep")


if __name__ == "__main__":
    main()
