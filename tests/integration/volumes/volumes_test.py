"""Volumes of the real server, from rootstock.toml and the command line to independent initiators (libiscsi's tools, QEMU) and a small one of our own.

    volumes_test.py ROOTSTOCK [CHECK...]

Loopback only. Each check is one function. Exit code 77: libiscsi's tools or QEMU are missing.
"""
import concurrent.futures
import inspect
import json
import os
import re
import shutil
import socket
import struct
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from volumes_rig import CHECK_CONDITION, GOOD, IQN, OTHER_SECRET, RESERVATION_CONFLICT, SECRET, WRONG_SECRET, Session, run, server, volume


def check_reservations_survive_a_kill():
    with server(volume("data") + volume("other")) as served:
        first = Session(served, "data")
        status, capabilities = first.command(struct.pack(">BB5xH", 0x5E, 2, 8), 8)
        assert status == GOOD and capabilities[2] & 1, capabilities  # PTPL_C
        assert first.reserve_out(0x00, 0, 0, 0xAAAA, True) == GOOD
        assert first.reserve_out(0x01, 0x05, 0xAAAA, 0, False) == GOOD
        assert Session(served, "other").reserve_out(0x00, 0, 0, 0xBBBB, False) == GOOD
        served.kill()
        served.start()
        again = Session(served, "data")
        stranger = Session(served, "data", name="iqn.2026-01.test:node-b", isid=b"\x80\0\0\0\0\2")
        assert again.keys() == [0xAAAA], again.keys()
        assert again.write(0, 1) == GOOD
        assert stranger.write(0, 2) == RESERVATION_CONFLICT
        assert Session(served, "other").keys() == []
        assert again.reserve_out(0x03, 0, 0xAAAA, 0, False) == GOOD  # CLEAR
        served.kill()
        served.start()
        assert Session(served, "data").keys() == []


def check_chap():
    one_way = f'chap = {{ user = "backup", secret = "{SECRET}" }}'
    mutual = one_way + f'\nmutual_chap = {{ user = "rootstock", secret = "{OTHER_SECRET}" }}'
    with server(volume("one", more=one_way) + volume("both", more=mutual),
                iscsi=f'discovery_chap = {{ user = "seeker", secret = "{SECRET}" }}') as served:
        for name in ("one", "both"):
            assert "ROOTSTCK" in run("iscsi-inq", served.url(name, f"backup%{SECRET}@"))
            run("qemu-io", "-f", "raw", "-c", "write -P 7 0 64k", "-c", "read -P 7 0 64k", served.url(name, f"backup%{SECRET}@"))
            for login in (f"backup%{WRONG_SECRET}@", f"other%{SECRET}@", ""):
                before = served.words().count("0x0201")
                run("iscsi-inq", served.url(name, login), code=1)
                served.await_words("0x0201", before + 1)
        both = served.url("both", f"backup%{SECRET}@")
        run("iscsi-inq", f"{both}?target_user=rootstock&target_password={OTHER_SECRET}")
        run("iscsi-inq", f"{both}?target_user=rootstock&target_password={WRONG_SECRET}", code=1)
        assert f"{IQN}:volume.one" in run("iscsi-ls", served.portal(f"seeker%{SECRET}@"))
        assert IQN not in run("iscsi-ls", served.portal(f"seeker%{WRONG_SECRET}@"), code=1)
        assert IQN not in run("iscsi-ls", served.portal(), code=1)
        check_chap_by_command(served)
        served.configure(volume("one", more=one_way.replace(SECRET, "quite another one")))
        told = served.command("plan")
        assert "chap user backup -> user backup with another secret" in told, told
        told += served.command("apply") + served.command("volume", "list", "--json") + served.words()
        run("iscsi-inq", served.url("one", f"backup%{SECRET}@"), code=1)
        for secret in (SECRET, OTHER_SECRET, WRONG_SECRET, "quite another one"):
            assert secret not in told, secret


def check_chap_by_command(served):
    secret_file = served.folder / "secret"
    secret_file.write_text(SECRET + "\n", encoding="utf-8")
    made = served.command("volume", "create", "made", "--size", "8M", "--initiator", "*", "--chap-user", "backup", "--chap-secret-file",
                          str(secret_file), "--json")
    assert json.loads(made)["chap_user"] == "backup" and SECRET not in made, made
    run("iscsi-inq", served.url("made", f"backup%{SECRET}@"))
    run("iscsi-inq", served.url("made"), code=1)
    piped = ("volume", "create", "piped", "--size", "8M", "--initiator", "*", "--chap-user", "backup", "--chap-secret-file", "-")
    assert "12 to 255 bytes" in served.command(*piped, given="short\n", code=1)
    served.command(*piped, given=OTHER_SECRET)
    run("iscsi-inq", served.url("piped", f"backup%{OTHER_SECRET}@"))


def check_kinds():
    volumes = (volume("fixed", more="read_only = true") + volume("large", more="block_size = 4096") +
               volume("scratch", more="volatile = true") + volume("plain"))
    with server(volumes) as served:
        run("qemu-io", "-f", "raw", "-r", "-c", "read -P 0 0 64k", served.url("fixed"))
        refused = Session(served, "fixed")
        status, sense = refused.command(struct.pack(">BBIxH", 0x2A, 0, 0, 1), data=bytes(512))
        assert status == CHECK_CONDITION and sense[2] & 0xF == 7 and sense[12] == 0x27, sense  # DATA PROTECT / WRITE PROTECTED
        assert Session(served, "large").capacity() == (64 << 20, 4096)
        run("qemu-io", "-f", "raw", "-c", "write -P 9 1M 1M", "-c", "read -P 9 1M 1M", "-c", "read -P 0 0 1M", served.url("large"))
        for name in ("scratch", "plain"):
            run("qemu-io", "-f", "raw", "-c", "write -P 5 0 1M", "-c", "read -P 5 0 1M", "-c", "flush", served.url(name))
        served.stop()
        served.start()
        run("qemu-io", "-f", "raw", "-c", "read -P 0 0 1M", served.url("scratch"))
        run("qemu-io", "-f", "raw", "-c", "read -P 5 0 1M", served.url("plain"))
        served.configure(volumes.replace("read_only = true", ""))
        served.command("apply")
        run("qemu-io", "-f", "raw", "-c", "write -P 1 0 64k", served.url("fixed"))


def write_iso(path, blocks, fill):
    """What counts as an ISO image, with content that tells each block from another."""
    content = bytearray(b"".join(struct.pack("<II", number, fill) * 256 for number in range(blocks)))
    content[16 * 2048 + 1:16 * 2048 + 6] = b"CD001"
    path.write_bytes(content)
    return path


def check_cdrom():
    folder = Path(tempfile.mkdtemp(prefix="rootstock-iso-"))
    try:
        first, second = write_iso(folder / "a.iso", 700, 1), write_iso(folder / "b.iso", 1500, 2)
        cdrom = f'[[volume]]\nname = "disc"\niso = "{first}"\ninitiators = ["*"]\n'
        with server(cdrom) as served:
            check_cdrom_content(served, first)
            check_cdrom_by_command(served, first, second)
        assert first.exists() and second.exists()
    finally:
        shutil.rmtree(folder)


def check_cdrom_content(served, iso):
    inquiry = run("iscsi-inq", served.url("disc"))
    assert "Peripheral Device Type:MMC" in inquiry and "VIRTUAL CD-ROM" in inquiry, inquiry
    session = Session(served, "disc")
    status, data = session.command(struct.pack(">BB8x", 0x25, 0), 8)  # READ CAPACITY(10)
    assert status == GOOD and struct.unpack(">II", data) == (iso.stat().st_size // 2048 - 1, 2048), data
    status, sense = session.command(struct.pack(">BBIxH", 0x2A, 0, 0, 1), data=bytes(2048))
    assert status == CHECK_CONDITION, sense
    copy = served.folder / "copy"
    run("qemu-img", "convert", "-f", "raw", "-O", "raw", served.url("disc"), str(copy))
    assert copy.read_bytes() == iso.read_bytes()
    assert "cdrom" in served.command("volume", "list")


def check_cdrom_by_command(served, first, second):
    assert "is a CD-ROM" in served.command("volume", "resize", "disc", "--size", "1G", code=1)
    assert f"ISO {second}" in served.command("volume", "set", "disc", "--iso", str(second))
    check_cdrom_content(served, second)
    write_iso(second, 800, 3)
    served.command("session", "list")
    served.command("volume", "set", "disc", "--iso", str(first))
    served.command("volume", "create", "other", "--iso", str(second))
    write_iso(second, 900, 4)
    run("iscsi-inq", served.url("other"), code=1)
    served.await_words("was changed since it became volume other")
    served.command("volume", "remove", "other")
    assert "is no ISO image" in served.command("volume", "create", "bad", "--iso", str(served.config), code=1)
    assert "No such file" in served.command("volume", "create", "bad", "--iso", "/nowhere.iso", code=1)
    first.rename(first.with_suffix(".away"))
    assert f"cannot open {first}" in served.command("plan")
    first.with_suffix(".away").rename(first)


def check_volatile_memory_is_bounded():
    with server(volume("scratch", more="volatile = true"), rest='[limits]\nvolatile_memory = "4M"') as served:
        run("qemu-io", "-f", "raw", "-c", "write -P 5 0 3M", served.url("scratch"))
        assert "failed" in run("qemu-io", "-f", "raw", "-c", "write -P 5 8M 8M", served.url("scratch"), code=1)
        run("qemu-io", "-f", "raw", "-c", "discard 0 64M", "-c", "write -P 6 16M 3M", "-c", "read -P 6 16M 3M", served.url("scratch"))


def check_growth_under_a_session():
    with server(volume("data", "64M")) as served:
        session = Session(served, "data")
        assert session.write(5, 0x5A) == GOOD
        assert "never shrinks" in served.command("volume", "resize", "data", "--size", "32M", code=1)
        served.command("volume", "resize", "data", "--size", "1G")
        status, sense = session.command(bytes(6))
        assert status == CHECK_CONDITION and sense[2] & 0xF == 6 and sense[12:14] == b"\x2a\x09", sense  # CAPACITY DATA HAS CHANGED
        assert session.capacity() == (1 << 30, 512)
        assert session.read(5) == b"\x5a" * 512
        last = (1 << 30) // 512 - 1
        assert session.read(last) == bytes(512)
        assert session.write(last, 0x77) == GOOD
        served.configure(volume("data", "2G"))
        assert "size 1 GiB -> 2 GiB" in served.command("apply")
        assert session.command(bytes(6))[0] == CHECK_CONDITION
        assert session.capacity()[0] == 2 << 30
        assert session.read(last) == b"\x77" * 512
        served.kill()
        served.start()
        assert Session(served, "data").capacity()[0] == 2 << 30
        served.stop()
        image = f"{served.folder}/data/volumes/data.vhdx"
        assert "No errors were found" in run("qemu-img", "check", image)
        assert "virtual size: 2 GiB" in run("qemu-img", "info", image)
        run("qemu-io", "-f", "vhdx", "-r", "-c", "read -P 0x5a 2560 512", "-c", f"read -P 0x77 {last * 512} 512", image)
        served.start()


def check_portals():
    hosts = ["127.0.0.1", "127.0.0.2"]
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        hosts.append("::1")
    except OSError:
        print("no IPv6 loopback: checked without it")
    shown = [f"[{host}]" if ":" in host else host for host in hosts]
    portals = ", ".join(f'"{host}"' for host in shown)
    with server(volume("data"), iscsi=f"portals = [{portals}]") as served:
        listing = run("iscsi-ls", served.portal())
        for tag, host in enumerate(shown, 1):
            assert f"{host}:{served.port},{tag}" in listing, listing
        sessions = [Session(served, "data", host, isid=b"\x80\0\0\0\0" + bytes([tag])) for tag, host in enumerate(hosts)]
        assert [session.group_tag for session in sessions] == list(range(1, len(hosts) + 1))
        naa = {re.search(rb"\x01\x03\x00\x10(.{16})", session.device_identification(), re.DOTALL)[1] for session in sessions}
        assert len(naa) == 1, naa
        for number, session in enumerate(sessions):
            assert session.write(number, number + 1) == GOOD
        for session in sessions:
            for number in range(len(sessions)):
                assert session.read(number) == bytes([number + 1]) * 512


def check_portals_of_both_families():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        print("no IPv6 loopback: not checked")
        return
    with server(volume("data"), iscsi='portals = ["0.0.0.0", "[::]"]') as served:
        first, second = Session(served, "data", "127.0.0.1"), Session(served, "data", "::1", isid=b"\x80\0\0\0\0\2")
        assert (first.group_tag, second.group_tag) == (1, 2)
        assert first.write(3, 0x33) == GOOD and second.read(3) == b"\x33" * 512
        assert "ROOTSTCK" in run("iscsi-inq", served.url("data", host="[::1]"))
        assert f"[::1]:{served.port},2" in run("iscsi-ls", f"iscsi://[::1]:{served.port}")
    with server(volume("data"), iscsi='portals = ["[::]"]', http='addresses = ["0.0.0.0", "::"]') as served:
        for host in ("127.0.0.1", "[::1]"):
            with urllib.request.urlopen(f"http://{host}:{served.http_port}/api/v1/version", timeout=20) as answer:
                assert json.load(answer)["name"] == "rootstock"
        assert Session(served, "data", "::1").group_tag == 1
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", served.port)) != 0


def check_many_volumes_under_io():
    """256 volumes come while an initiator writes and reads: no error, and its session stays."""
    with server(volume("data")) as served:
        session = Session(served, "data")
        stop, rounds, slowest = threading.Event(), [], [0.0]

        def work():
            while not stop.is_set():
                started, block = time.monotonic(), len(rounds) % 1000
                assert session.write(block, block % 251) == GOOD
                assert session.read(block) == bytes([block % 251]) * 512
                slowest[0] = max(slowest[0], time.monotonic() - started)
                rounds.append(True)

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            busy = pool.submit(work)
            served.configure(volume("data") + "".join(volume(f"more-{number}") for number in range(256)))
            before, started = len(rounds), time.monotonic()
            assert "256 change(s) applied" in served.command("apply")
            taken, during = time.monotonic() - started, len(rounds) - before
            stop.set()
            busy.result(60)
        assert during > 0 and served.words().count("iscsi.session.ended") == 0, served.words()[-2000:]
        assert f"{IQN}:volume.more-255" in run("iscsi-ls", served.portal())
        print(f"256 volumes in {taken:.2f} s; meanwhile {during} writes and reads, the slowest pair in {slowest[0] * 1000:.0f} ms", flush=True)


def check_discovery_of_many_targets():
    """SendTargets of 1,024 targets: an answer of many parts."""
    with server("".join(volume(f"v{number:04}", more="volatile = true") for number in range(1024))) as served:
        started = time.monotonic()
        listing = run("iscsi-ls", served.portal())
        taken = time.monotonic() - started
        assert listing.count(f"Target:{IQN}:volume.v") == 1024, listing[-2000:]
        assert taken < 5, taken
        print(f"1,024 targets listed in {taken:.3f} s", flush=True)


def check_moved_volume():
    """libiscsi follows a redirection; what moves back is here again."""
    with server(volume("data")) as here, server(volume("data")) as there:
        session = Session(here, "data")
        assert session.write(0, 0x11) == GOOD
        assert "is no address of a server" in here.command("volume", "move-to", "data", "nowhere", code=1)
        told = here.command("volume", "move-to", "data", f"127.0.0.1:{there.port}")
        assert f"moved to 127.0.0.1:{there.port}" in told, told
        here.await_words("iscsi.session.ended")
        assert f"volume.data at 127.0.0.1:{there.port}" in here.command("volume", "list")
        run("qemu-io", "-f", "raw", "-c", "write -P 0x22 0 64k", here.url("data"))
        here.await_words("iscsi.login.redirected")
        assert Session(there, "data").read(0) == b"\x22" * 512
        here.command("volume", "move-to", "data", "--back")
        assert Session(here, "data").read(0) == b"\x11" * 512
        here.configure(volume("data", more=f'moved_to = "127.0.0.1:{there.port}"'))
        assert f"moved_to none -> 127.0.0.1:{there.port}" in here.command("apply")
        run("qemu-io", "-r", "-f", "raw", "-c", "read -P 0x22 0 64k", here.url("data"))


def check_initiators_by_address():
    with server(volume("near").replace('"*"', '"127.0.0.0/30"') + volume("far").replace('"*"', '"10.0.0.0/8", "fd00::1"')) as served:
        assert "ROOTSTCK" in run("iscsi-inq", served.url("near"))
        run("iscsi-inq", served.url("far"), code=1)
        served.await_words("0x0202")
        listing = run("iscsi-ls", served.portal())
        assert "volume.near" in listing and "volume.far" not in listing, listing


def check_set():
    """Every setting, by command; who may no longer use the volume loses it."""
    with server(volume("data")) as served:
        secret_file = served.folder / "secret"
        secret_file.write_text(SECRET + "\n", encoding="utf-8")
        assert "at least one option" in served.command("volume", "set", "data", code=2)
        assert "Example: rootstock volume set" in served.command("volume", "set", "--help")
        session = Session(served, "data")
        stays = Session(served, "data", name="iqn.2026-01.test:node-b", isid=b"\x80\0\0\0\0\2")
        told = served.command("volume", "set", "data", "--initiator", "iqn.2026-01.test:node-b", "--initiator", "10.0.0.0/8")
        assert "for iqn.2026-01.test:node-b, 10.0.0.0/8" in told, told
        served.await_words("boot.session.not_allowed")
        served.await_words("iscsi.session.ended")
        try:
            session.read(0)
            raise SystemExit("a session that is no longer allowed goes on")
        except (AssertionError, OSError):
            pass
        assert stays.read(0) == bytes(512)
        assert "for nobody" in served.command("volume", "set", "data", "--nobody")
        run("iscsi-inq", served.url("data"), code=1)
        assert "no user for this secret" in served.command("volume", "set", "data", "--chap-secret-file", str(secret_file), code=1)
        changed = json.loads(served.command("volume", "set", "data", "--initiator", "*", "--chap-user", "backup", "--chap-secret-file",
                                            str(secret_file), "--read-only", "--size", "128M", "--json"))
        assert changed["chap_user"] == "backup" and changed["read_only"] and changed["size_bytes"] == 128 << 20, changed
        run("iscsi-inq", served.url("data"), code=1)
        run("iscsi-inq", served.url("data", f"backup%{SECRET}@"))
        served.command("volume", "set", "data", "--chap-secret-file", "-", given=OTHER_SECRET)
        run("iscsi-inq", served.url("data", f"backup%{OTHER_SECRET}@"))
        served.command("volume", "set", "data", "--no-chap", "--writable")
        run("qemu-io", "-f", "raw", "-c", "write -P 1 0 64k", served.url("data"))


def check_limits():
    with server(volume("data"), rest="[limits]\niscsi_connections_per_address = 2") as served:
        held = [Session(served, "data", isid=b"\x80\0\0\0\0" + bytes([number])) for number in range(2)]
        run("iscsi-inq", served.url("data"), code=1)
        served.await_words("too many connections from this address")
        assert held[0].keys() == []


def main():
    for tool in ("iscsi-inq", "iscsi-ls", "qemu-io", "qemu-img"):
        if shutil.which(tool) is None:
            print(f"skipped: {tool} is not installed (packages libiscsi-bin, qemu-utils)")
            sys.exit(77)
    os.environ.pop("LIBISCSI_CHAP_USERNAME", None)
    wanted = sys.argv[2:]
    for name, check in list(globals().items()):
        if name.startswith("check_") and not inspect.signature(check).parameters and (not wanted or name in wanted):
            check()
            print(f"ok {name.removeprefix('check_')}", flush=True)


if __name__ == "__main__":
    main()
