"""libvhdi, an independent reader of VHD and VHDX, finds in our files what we have put there; where docs/images.md says that it is right.

    libvhdi_test.py ROOTSTOCK

Not compared, for libvhdi is known to be wrong: zero blocks over a parent's data without --portable, logs that were not replayed. Loopback only.
Exit code 77: the package python3-libvhdi is missing.
"""
import random
import struct
import sys
from pathlib import Path

try:
    import pyvhdi
except ImportError:
    print("skipped: python3-libvhdi is missing")
    sys.exit(77)

sys.path.insert(0, str(Path(__file__).parent.parent / "machines"))
from initiator import Initiator, boot, volume_access  # noqa: E402
from volumes_rig import GOOD, run, server, PROGRAM, volume  # noqa: E402

MIB, GIB, BLOCK = 1 << 20, 1 << 30, 4096
MAC = "52:54:00:aa:00:01"


def compare(disk, size, expected, what):
    """`expected`: offset -> bytes; everywhere else zeros, of which places beside those are looked at."""
    assert disk.get_media_size() == size, (what, disk.get_media_size(), size)
    for offset, data in expected.items():
        found = disk.read_buffer_at_offset(len(data), offset)
        assert found == data, f"{what}: {len(data)} bytes at {offset} differ: {found[:4].hex()} ... {found[-4:].hex()}"
        behind = offset + len(data)
        if behind + BLOCK <= size and behind not in expected:
            assert disk.read_buffer_at_offset(BLOCK, behind) == bytes(BLOCK), f"{what}: not zeros at {behind}"


def opened(path):
    file = pyvhdi.file()
    file.open(str(path))
    return file


def check_formats(folder):
    """A disk of an odd size, and one of several chunks of the VHDX's table (4 GiB each), with data on both sides of every border."""
    chance = random.Random(1)
    odd = {0: chance.randbytes(3 * BLOCK), 2 * MIB - BLOCK: chance.randbytes(2 * BLOCK), 11 * MIB: chance.randbytes(512)}
    large = {0: chance.randbytes(BLOCK), **{chunk * 4 * GIB - 64 * 1024: chance.randbytes(128 * 1024) for chunk in (1, 2)}}
    for name, size, contents in (("odd", 11 * MIB + 512, odd), ("large", 9 * GIB, large)):
        raw = folder / f"{name}.raw"
        with raw.open("wb") as file:
            file.truncate(size)
            for offset, data in contents.items():
                file.seek(offset)
                file.write(data)
        for form in ("vhdx", "vhd") if name == "large" else ("vhdx", "vhdx-fixed", "vhd", "vhd-fixed"):
            target = folder / f"{name}-{form}.{form.split('-')[0]}"
            run(PROGRAM, "image", "convert", str(raw), str(target), "--format", form)
            compare(opened(target), size, contents, f"{name} as {form}")
            target.unlink()


def expected_blocks(known):
    return {block * BLOCK: bytes([byte]) * BLOCK for block, byte in known.items()}


def check_pair(served):
    """A machine's disk and its parent, exported with --portable: new data, data over data, and discards over data."""
    size = 12 * MIB
    known = {block: 0x11 for block in range(size // BLOCK)}
    (served.folder / "win11.raw").write_bytes(b"\x11" * size)
    served.command("image", "import", str(served.folder / "win11.raw"), "--name", "win11")
    served.command("machine", "assign", MAC, "--name", "lab1-01", "--image", "win11")
    ended = served.words().count(" iscsi.session.ended ")
    session = Initiator(served, boot(served, MAC))
    for block, byte in ((0, 0x22), (700, 0x33), (701, 0x34), (size // BLOCK - 1, 0x44)):
        assert session.command(struct.pack(">BBIxH", 0x2A, 0, block * 8, 8), data=bytes([byte]) * BLOCK)[0] == GOOD
        known[block] = byte
    for first, count in ((1024, 512), (1600, 3)):  # a whole block of 2 MiB, and a part of one
        zeros = struct.pack(">HH4xQI4x", 22, 16, first * 8, count * 8)
        assert session.command(struct.pack(">B6xHx", 0x42, len(zeros)), data=zeros)[0] == GOOD
        known.update({block: 0 for block in range(first, first + count)})
    session.connection.close()
    served.await_words(" iscsi.session.ended ", ended + 1)
    child = served.folder / "lab1-01.vhdx"
    served.command("machine", "export", "lab1-01", str(child), "--chain", "--portable")
    disk, parent = opened(child), opened(served.folder / "lab1-01-parent.vhdx")
    assert disk.get_parent_identifier(), "libvhdi sees no parent"
    disk.set_parent(parent)
    compare(disk, size, expected_blocks(known), "the exported pair")
    alone = served.folder / "alone.vhdx"
    served.command("machine", "export", "lab1-01", str(alone))
    compare(opened(alone), size, expected_blocks(known), "the disk that stands alone")


def check_volume(served):
    """A volume of 4 KiB sectors, as the server left it when it stopped."""
    ended = served.words().count(" iscsi.session.ended ")
    session = Initiator(served, volume_access("large"))
    known = {0: 0x55, 511: 0x56, 512: 0x57, 4096: 0x58}
    for block, byte in known.items():
        assert session.command(struct.pack(">BBIxH", 0x2A, 0, block, 1), data=bytes([byte]) * BLOCK)[0] == GOOD
    session.connection.close()
    served.await_words(" iscsi.session.ended ", ended + 1)
    served.stop()
    disk = opened(served.folder / "data" / "volumes" / "large.vhdx")
    assert disk.get_bytes_per_sector() == BLOCK
    compare(disk, 64 * MIB, expected_blocks(known), "a volume of 4 KiB sectors")
    served.start()


def main():
    with server(volume("large", "64M", "block_size = 4096")) as served:
        check_formats(served.folder)
        check_pair(served)
        check_volume(served)


if __name__ == "__main__":
    main()
