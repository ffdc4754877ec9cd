"""`rootstock store check` against a data directory that was damaged for real, one finding at a time, with the server running and without.

    store_check_test.py ROOTSTOCK

Loopback only. Exit code 77: QEMU is missing.
"""
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "volumes"))
sys.path.insert(0, str(Path(__file__).parent.parent / "guard"))
from guard_test import MAC, MIB, Guest, make_image, qemu_io  # noqa: E402
from volumes_rig import PROGRAM, run, server, volume  # noqa: E402

MASTER, OVERLAY, VOLUME = "images/win11/v0001.vhdx", "overlays/lab1-01.vhdx", "volumes/data.vhdx"


def check(served, *options, ok=False):
    """The report; `ok`: what it must say, and the exit code with it."""
    done = subprocess.run([PROGRAM, "store", "check", *options, "--json", "--config", str(served.config)], capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["ok"] == ok and (done.returncode == 0) == ok, (done.returncode, report)
    return report


def only(report):
    assert len(report["findings"]) == 1, report["findings"]
    return report["findings"][0]


class Store:
    """A server with an image, a machine with a disk, and a volume that holds data; `path` leads to its files."""

    def __init__(self, served):
        self.served = served
        make_image(served.folder / "win11.raw")
        served.command("image", "import", str(served.folder / "win11.raw"), "--name", "win11")
        served.command("machine", "assign", MAC, "--name", "lab1-01", "--image", "win11")
        self.boot("write -P 9 1M 1M")
        run("qemu-io", "-f", "raw", "-c", "write -P 7 0 4M", "-c", "flush", served.url("data"))
        served.stop()  # closes all disks

    def boot(self, *commands):
        said = qemu_io(self.served, MAC, *commands)
        assert "1 ops" in said and "failed" not in said.lower(), said

    def path(self, file):
        return self.served.folder / "data" / file

    def finds(self, kind, where, words, mended=None, options=()):
        """One finding, with the server and without it; `mended`: what --repair says that it did. All is well then."""
        for running in (True, False):
            if running:
                self.served.start()
            finding = only(check(self.served, *options))
            assert (finding["kind"], finding["where"]) == (kind, where) and words in finding["what"], finding
            if running:
                assert kind + ": " + where in self.served.command("store", "check", *options, code=1)
                self.served.stop()
        finding = only(check(self.served, "--repair", *options, ok=mended is not None))
        assert finding["mended"] == (mended is not None), finding
        if mended is not None:
            assert mended in finding["remedy"], finding
            assert check(self.served, *options, ok=True)["findings"] == []


def check_a_sound_store(store):
    store.served.start()
    report = check(store.served, "--deep", ok=True)
    assert (report["layers"], report["overlays"], report["volumes"], report["in_use"]) == (1, 1, 1, 0), report
    assert "all is well" in store.served.command("store", "check")
    guest = Guest(store.served)
    assert guest.reads(9, MIB, MIB)
    assert check(store.served, ok=True)["in_use"] == 1
    assert guest.write(8192, 8) == 0 and guest.reads(8, 4 * MIB, 512)
    guest.connection.close()
    store.served.stop()
    check(store.served, "--deep", ok=True)


def check_files_that_nobody_knows(store):
    for stray, target in (("overlays/old.vhdx", "overlays-old.vhdx"), ("images/win11/v0007.vhdx", "images-win11-v0007.vhdx"),
                          ("volumes/notes.txt", "volumes-notes.txt")):
        store.path(stray).write_bytes(b"data of somebody")
        store.finds("unknown_file", stray, "not in the database", f"moved to lost+found/{target}")
        assert store.path(f"lost+found/{target}").read_bytes() == b"data of somebody"
    store.path("overlays/old.vhdx").write_bytes(b"another one")
    assert only(check(store.served, "--repair", ok=True))["remedy"] == "moved to lost+found/overlays-old.vhdx.1"


def check_leftovers(store):
    """With the server running: without one, opening the directory ends what was half done."""
    store.served.start()
    for stray in ("overlays/x.vhdx.new", "volumes/y.vhdx.removed", "images/win11/v0002.vhdx.new.tmp", "overlays/gone.vhdx.live"):
        store.path(stray).write_bytes(b"half")
        finding = only(check(store.served))
        assert (finding["kind"], finding["where"]) == ("leftover", stray), finding
        assert "moved to lost+found" in only(check(store.served, "--repair", ok=True))["remedy"]
        assert not store.path(stray).exists()
    os.rename(store.path(OVERLAY), store.path(OVERLAY + ".removed"))
    findings = check(store.served)["findings"]
    assert [finding["kind"] for finding in findings] == ["leftover", "missing_file"], findings
    assert f"renamed to {OVERLAY}" in only(check(store.served, "--repair", ok=True))["remedy"]
    store.boot("read -P 9 1M 1M")
    store.served.stop()


def check_missing_files(store):
    for file, words in ((OVERLAY, "machine lab1-01"), (VOLUME, "volume data"), (MASTER, "lab1-01 depend on it")):
        os.rename(store.path(file), store.served.folder / "away")
        store.finds("missing_file", file, words)
        os.rename(store.served.folder / "away", store.path(file))
    check(store.served, ok=True)


def check_masters(store):
    store.path(MASTER).chmod(0o644)
    store.finds("permissions", MASTER, "can be written to", "made read-only")
    assert store.path(MASTER).stat().st_mode & 0o777 == 0o444
    shutil.copy2(store.path(MASTER), store.served.folder / "copy")
    store.path(MASTER).chmod(0o644)
    with store.path(MASTER).open("r+b") as file:
        file.seek(9 * MIB)
        file.write(b"\xff")
    store.path(MASTER).chmod(0o444)
    assert check(store.served, ok=True)["findings"] == []
    store.finds("contents", MASTER, "not what was imported", options=("--deep",))
    assert "found damaged" in only(check(store.served))["what"]
    os.replace(store.served.folder / "copy", store.path(MASTER))
    check(store.served, "--deep", ok=True)
    store.path(MASTER).chmod(0o644)
    os.truncate(store.path(MASTER), 12 * MIB)
    store.path(MASTER).chmod(0o444)
    store.finds("master", MASTER, "it had")


def check_overlays(store):
    sound = store.path(OVERLAY).read_bytes()
    store.path(OVERLAY).write_bytes(bytes(2 * MIB))
    store.finds("overlay", OVERLAY, "")
    store.path(OVERLAY).write_bytes(sound)
    store.served.start()
    make_image(store.served.folder / "other.raw", 8 * MIB)
    store.served.command("image", "import", str(store.served.folder / "other.raw"), "--name", "other")
    store.served.stop()
    with sqlite3.connect(store.path("rootstock.db")) as database:
        database.execute("UPDATE overlay SET layer = 'images/other/v0001.vhdx'")
    database.close()
    store.finds("overlay", OVERLAY, "not a child of images/other/v0001.vhdx")


def check_volumes(store):
    with sqlite3.connect(store.path("rootstock.db")) as database:
        database.execute("UPDATE volume SET size_bytes = size_bytes * 2")
    database.close()
    finding = only(check(store.served))
    assert finding["kind"] == "volume" and "the database says 128 MiB" in finding["what"], finding


def check_unused_space(store):
    """What a crash leaves in a file is data behind the last block, which no table names."""
    for file in (OVERLAY, VOLUME):
        size = store.path(file).stat().st_size
        with store.path(file).open("r+b") as disk:
            disk.seek(size)
            disk.write(b"x" * (2 * MIB))
        store.finds("unused_space", file, "2 MiB", "given back")
        assert store.path(file).stat().st_size == size
    store.served.start()
    store.boot("read -P 9 1M 1M")
    run("qemu-io", "-f", "raw", "-c", "read -P 7 0 4M", store.served.url("data"))
    store.served.stop()


def check_database(store):
    with sqlite3.connect(store.path("rootstock.db")) as database:
        database.execute("INSERT INTO content (file, data_write_guid, file_size, root, leaves) VALUES ('images/gone/v0001.vhdx', '12345678-1234-1234-1234-123456789abc', 0, '', x'')")
    database.close()
    store.finds("record", "images/gone/v0001.vhdx", "does not know", "removed")
    with sqlite3.connect(store.path("rootstock.db")) as database:
        database.execute("PRAGMA foreign_keys = OFF")
        database.execute("INSERT INTO machine_mac (mac, machine, position) VALUES ('52:54:00:aa:00:99', 4711, 1)")
    database.close()
    store.finds("database", "rootstock.db", "refers to one of table machine that is not there")


def main():
    if shutil.which("qemu-io") is None:
        print("skipped: qemu-io is not installed (package qemu-utils)")
        return 77
    wanted = sys.argv[2:]
    for name, each in list(globals().items()):
        if name.startswith("check_") and (not wanted or name in wanted):
            with server(volume("data")) as served:
                try:
                    each(Store(served))
                finally:
                    if served.process.poll() is not None:
                        served.start()  # the context stops it
            print(f"ok {name.removeprefix('check_')}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
