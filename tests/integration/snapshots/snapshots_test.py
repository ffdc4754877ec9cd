"""Snapshots of disks in use, by the real server and the command line: what they keep, going back, new disks of them, files of them.

    snapshots_test.py ROOTSTOCK

Loopback only.
"""
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "machines"))
from initiator import Initiator, boot, volume_access  # noqa: E402
from volumes_rig import GOOD, server, volume  # noqa: E402

MAC, OTHER_MAC = "52:54:00:aa:00:01", "52:54:00:aa:00:02"
RESET_MAC, CAD_MAC = "52:54:00:aa:00:03", "52:54:00:aa:00:04"
IMAGE_BYTE, IMAGE_SIZE = 0xA5, 32 << 20
BLOCK = 4096


def write(session, block, byte):
    assert session.command(struct.pack(">BBIxH", 0x2A, 0, block * 8, 8), data=bytes([byte]) * BLOCK)[0] == GOOD


def read(session, *blocks):
    """What fills each block."""
    found = []
    for block in blocks:
        status, data = session.command(struct.pack(">BBIxH", 0x28, 0, block * 8, 8), BLOCK)
        assert status == GOOD and data == data[:1] * BLOCK, (block, status)
        found.append(data[0])
    return found


def check_machine(served):
    """Taken while it runs; it goes back at its next boot, and until then its disk is as it is."""
    served.command("machine", "assign", MAC, "--name", "lab1-01", "--image", "win11", "--mode", "persistent")
    session = Initiator(served, boot(served, MAC))
    write(session, 0, 1)
    served.command("snapshot", "create", "lab1-01", "one")
    write(session, 0, 2)
    write(session, 100, 3)
    assert "next boot" in served.command("snapshot", "restore", "lab1-01", "one")
    assert read(session, 0, 100, 200) == [2, 3, IMAGE_BYTE]
    session.connection.close()
    session = Initiator(served, boot(served, MAC))
    assert read(session, 0, 100, 200) == [1, IMAGE_BYTE, IMAGE_BYTE]
    write(session, 0, 4)

    served.command("machine", "assign", OTHER_MAC, "--name", "lab1-02", "--image", "win11", "--mode", "persistent")
    served.command("snapshot", "clone", "lab1-01", "one", "--to-machine", "lab1-02")
    clone = Initiator(served, boot(served, OTHER_MAC))
    assert read(clone, 0, 100) == [1, IMAGE_BYTE]
    write(clone, 0, 5)
    assert read(session, 0) == [4]

    exported = served.folder / "one.raw"
    served.command("snapshot", "export", "lab1-01", "one", str(exported))
    assert exported.read_bytes() == bytes([1]) * BLOCK + bytes([IMAGE_BYTE]) * (IMAGE_SIZE - BLOCK)
    session.connection.close()
    clone.connection.close()


def check_reset_machine(served):
    """Its disk goes on while the snapshot is copied, and is thrown away at each boot; the snapshot stays, also over the death of the server."""
    served.command("machine", "assign", RESET_MAC, "--name", "lab1-03", "--image", "win11", "--mode", "reset")
    session = Initiator(served, boot(served, RESET_MAC))
    write(session, 0, 1)
    write(session, 4000, 2)
    served.command("snapshot", "create", "lab1-03", "one")
    write(session, 0, 3)
    assert read(session, 0, 4000, 200) == [3, 2, IMAGE_BYTE]
    assert "next boot" in served.command("snapshot", "restore", "lab1-03", "one")
    served.kill()
    served.start()
    assert "snapshot create lab1-03" in served.command("image", "promote", "--machine", "lab1-03", "--name", "cad", code=1)
    for expected in ([1, 2, IMAGE_BYTE], [IMAGE_BYTE] * 3):  # with the snapshot, and fresh again
        session = Initiator(served, boot(served, RESET_MAC))
        assert read(session, 0, 4000, 200) == expected
        write(session, 200, 4)

    exported = served.folder / "reset.raw"
    served.command("snapshot", "export", "lab1-03", "one", str(exported))
    found = exported.read_bytes()
    assert found[:BLOCK] == bytes([1]) * BLOCK and found[4000 * BLOCK:4001 * BLOCK] == bytes([2]) * BLOCK
    assert found.count(IMAGE_BYTE) == len(found) - 2 * BLOCK == IMAGE_SIZE - 2 * BLOCK
    served.command("snapshot", "clone", "lab1-03", "one", "--to-volume", "of-reset")
    assert read(Initiator(served, volume_access("of-reset")), 0, 4000) == [1, 2]

    served.command("image", "promote", "--machine", "lab1-03", "--snapshot", "one", "--name", "cad")
    served.command("machine", "assign", CAD_MAC, "--name", "lab1-04", "--image", "cad", "--mode", "reset")
    assert read(Initiator(served, boot(served, CAD_MAC)), 0, 4000, 200) == [1, 2, IMAGE_BYTE]
    session.connection.close()


def check_volume(served):
    session = Initiator(served, volume_access("data"))
    for number in range(1, 6):
        write(session, 0, number)
        served.command("snapshot", "create", "data", f"s{number}", "--volume")
    write(session, 1, 9)
    served.command("snapshot", "clone", "data", "s3", "--volume", "--to-volume", "third")
    third = Initiator(served, volume_access("third"))
    assert read(third, 0, 1) == [3, 0]
    served.command("snapshot", "flatten", "--most-files", "2")
    served.command("snapshot", "remove", "data", "s3", "--volume")
    assert read(session, 0, 1) == [5, 9] and read(third, 0, 1) == [3, 0]
    served.kill()
    served.start()
    session, third = Initiator(served, volume_access("data")), Initiator(served, volume_access("third"))
    assert read(session, 0, 1) == [5, 9] and read(third, 0, 1) == [3, 0]
    session.connection.close()
    served.command("snapshot", "restore", "data", "s2", "--volume")
    assert read(Initiator(served, volume_access("data")), 0, 1) == [2, 0]


def main():
    with server(volume("data")) as served:
        (served.folder / "win11.raw").write_bytes(bytes([IMAGE_BYTE]) * IMAGE_SIZE)
        served.command("image", "import", str(served.folder / "win11.raw"), "--name", "win11")
        check_machine(served)
        check_reset_machine(served)
        check_volume(served)
        served.command("store", "check", "--deep")


if __name__ == "__main__":
    main()
