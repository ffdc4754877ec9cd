"""Masters that are touched under a running server: what its machines' initiators see (QEMU), what the server says, and that it lives on.

    guard_test.py ROOTSTOCK

Loopback only. Exit code 77: QEMU is missing.
"""
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "machines"))
from initiator import Initiator, boot  # noqa: E402
from volumes_test import GOOD, server  # noqa: E402

MAC, OTHER_MAC = "52:54:00:aa:00:01", "52:54:00:aa:00:02"
MIB = 1 << 20
NOT_READY, MEDIUM_ERROR = (2, 0x04, 0x00), (3, 0x11, 0x00)


class Guest(Initiator):
    """A machine's initiator, with one session for all its commands."""

    def __init__(self, served, mac=MAC):
        super().__init__(served, boot(served, mac))

    def sense(self, offset, size):
        """Sense key, ASC and ASCQ of a read; nothing when it succeeded."""
        status, data = self.command(struct.pack(">BBIxH", 0x28, 0, offset // 512, size // 512), size)
        if status == GOOD:
            assert len(data) == size
            return None
        return data[2] & 0xF, data[12], data[13]

    def reads(self, byte, offset, size):
        status, data = self.command(struct.pack(">BBIxH", 0x28, 0, offset // 512, size // 512), size)
        return status == GOOD and data == bytes([byte]) * size


def qemu_io(served, mac, *commands):
    """What qemu-io says to the commands, as the initiator of a machine that boots."""
    access = boot(served, mac)
    disk = (f"driver=iscsi,transport=tcp,portal=127.0.0.1:{served.port},target={access.target},lun=0,user={access.user},password-secret=chap,"
            f"initiator-name={access.initiator}")
    words = [word for command in commands for word in ("-c", command)]
    done = subprocess.run(["qemu-io", "--object", f"secret,id=chap,data={access.secret}", "--image-opts", *words, disk], capture_output=True, text=True,
                          timeout=60, check=False)
    return done.stdout + done.stderr


def pattern(block):
    return bytes([block % 255 + 1]) * (64 << 10)


def make_image(path, size=24 * MIB):
    path.write_bytes(b"".join(pattern(block) for block in range(size >> 16)))


class Lab:
    """A server with image win11 and a machine on it that has read the first part of its disk."""

    def __init__(self, served):
        self.served = served
        self.master = served.folder / "data/images/win11/v0001.vhdx"
        make_image(served.folder / "win11.raw")
        served.command("image", "import", str(served.folder / "win11.raw"), "--name", "win11")
        served.command("machine", "assign", MAC, "--name", "lab1-01", "--image", "win11")
        self.guest = Guest(served)
        assert self.guest.reads(1, 0, 64 << 10)

    def is_sound(self):
        assert self.served.process.poll() is None, self.served.words()[-3000:]
        return json.loads(self.served.command("image", "list", "--json"))["images"][0]["content"]["damage"] == []

    def refused(self):
        before = self.served.words().count("images.master.refused")
        self.served.command("machine", "assign", OTHER_MAC, "--name", "lab1-02", "--image", "win11")
        said = qemu_io(self.served, OTHER_MAC, "read 0 512")
        assert "512 bytes" not in said, said
        self.served.await_words("images.master.refused", before + 1)
        assert "lab1-01" in self.served.words().split("images.master.refused")[-1]


def event(lab, words):
    begun = time.monotonic()
    lab.served.await_words(words)
    took = time.monotonic() - begun
    assert took < 30, f"{words} took {took:.1f} s"
    line = next(line for line in lab.served.words().splitlines() if words in line)
    assert "file=images/win11/v0001.vhdx" in line and re.search(r"machines=.*lab1-01", line), line


def check_overwritten(lab):
    lab.master.chmod(0o644)
    with lab.master.open("r+b") as file:
        file.seek(10 * MIB)
        file.write(b"overwritten")
    event(lab, "images.master.touched")
    assert lab.guest.sense(0, 64 << 10) == NOT_READY
    assert not lab.is_sound()
    lab.refused()


def check_truncated(lab):
    lab.master.chmod(0o644)
    os.truncate(lab.master, 8 * MIB)
    assert lab.guest.sense(16 * MIB, 64 << 10) in (NOT_READY, MEDIUM_ERROR)  # at once: there is nothing to read any more
    event(lab, "images.master.touched")
    assert lab.guest.sense(0, 64 << 10) == NOT_READY
    lab.refused()


def check_truncated_while_it_is_resident(lab):
    """What was read is sent from the mapping; its pages go with the file."""
    for _ in range(2):
        for offset in range(0, 24 * MIB, MIB):
            assert lab.guest.sense(offset, MIB) is None
    lab.master.chmod(0o644)
    os.truncate(lab.master, 0)
    try:
        assert lab.guest.sense(8 * MIB, MIB) in (NOT_READY, MEDIUM_ERROR)
    except (AssertionError, OSError) as lost:  # the data was promised already when the kernel found it gone: the connection is all that can be taken back
        assert isinstance(lost, OSError) or "closed the connection" in str(lost), lost
    event(lab, "images.master.touched")
    lab.refused()


def check_removed(lab):
    lab.master.unlink()
    event(lab, "images.master.touched")
    assert lab.guest.reads(2, 64 << 10, 64 << 10)  # what is open is the right file still
    lab.refused()


def check_replaced(lab):
    make_image(lab.served.folder / "other.raw", 8 * MIB)
    lab.served.command("image", "import", str(lab.served.folder / "other.raw"), "--name", "other")
    os.rename(lab.served.folder / "data/images/other/v0001.vhdx", lab.master)
    event(lab, "images.master.touched")
    assert lab.guest.reads(2, 64 << 10, 64 << 10)
    lab.refused()


def check_rot_and_remedy(lab):
    """A bit that no time and no size betrays; found by verification, refused, and served again once a sound copy is there."""
    copy = lab.served.folder / "copy.vhdx"
    shutil.copy2(lab.master, copy)
    before = lab.master.stat()
    lab.master.chmod(0o644)
    with lab.master.open("r+b") as file:
        file.seek(13 * MIB)
        file.write(b"\xff")
    os.utime(lab.master, ns=(before.st_atime_ns, before.st_mtime_ns))
    said = lab.served.command("image", "verify", "win11", code=1)
    assert "is damaged: 2 MiB from byte 12582912" in said and "is damaged" in said, said
    event(lab, "images.master.damaged")
    assert 'bytes="12582912 to 14680064"' in lab.served.words()
    lab.refused()
    os.replace(copy, lab.master)
    assert "is sound" in lab.served.command("image", "verify", "win11")
    assert lab.is_sound()
    said = qemu_io(lab.served, MAC, "read -P 2 64k 64k")
    assert "65536/65536" in said and "failed" not in said, said


def main():
    missing = [name for name in ("qemu-io",) if not shutil.which(name)]
    if missing:
        print("skipped: qemu-io is not installed (package qemu-utils)")
        return 77
    for check in (check_overwritten, check_truncated, check_truncated_while_it_is_resident, check_removed, check_replaced, check_rot_and_remedy):
        with server() as served:
            lab = Lab(served)
            check(lab)
            assert served.process.poll() is None
            lab.guest.connection.close()
        print(check.__name__, "ok", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
