"""Independent initiators (libiscsi's tools, QEMU) against the target over memory disks, by loopback sockets.

    initiators.py MEMORY_TARGET

Each check is one function; a missing program is told and its checks are skipped.
"""
import contextlib
import os
import re
import select
import shutil
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

TARGET = "iqn.2026-01.test.rootstock:disk0"
PROGRAM = sys.argv[1]
IPXE_ISO = Path("/usr/lib/ipxe/ipxe.iso")  # package ipxe


class Target:
    def __init__(self, *options):
        self.process = subprocess.Popen([PROGRAM, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def url(self, login="", lun=0, host="127.0.0.1"):
        return f"iscsi://{login}{host}:{self.port}/{TARGET}/{lun}"

    def finish(self):
        out, log = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, (self.process.returncode, log)
        counters = dict(zip(out.split()[::2], map(int, out.split()[1::2])))
        assert counters["leases"] == 0, counters
        return counters, log


@contextlib.contextmanager
def target(*options):
    served = Target(*options)
    try:
        yield served
    finally:
        if served.process.poll() is None:
            served.process.stdin.close()
            served.process.wait(timeout=60)


def run(*command, code=0, timeout=60):
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout)
    assert done.returncode == code or (code != 0 and done.returncode != 0), (command, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def check_tools():
    with target("--size", "64", "--targets", "3") as served:
        listing = run("iscsi-ls", "-s", f"iscsi://127.0.0.1:{served.port}")
        assert listing.count("Target:iqn.2026-01.test.rootstock:disk") == 3, listing
        assert listing.count("Size:63M") == 3 or listing.count("Size:64M") == 3, listing
        assert "ROOTSTCK" in run("iscsi-inq", served.url())
        assert "DEVICE_IDENTIFICATION" in run("iscsi-inq", "-e", "1", "-c", "131", served.url())
        assert "Total size:67108864" in run("iscsi-readcapacity16", served.url())
        served.finish()


def check_qemu_io():
    with target() as served:
        run("qemu-io", "-f", "raw", "-c", "write -P 0x5a 1M 3M", "-c", "read -P 0x5a 1M 3M", "-c", "write -P 0x11 4096 4096",
            "-c", "read -P 0x11 4096 4096", "-c", "read -P 0 8M 1M", "-c", "flush", "-c", "write -f -P 0x77 512k 64k",
            "-c", "read -P 0x77 512k 64k", "-c", "discard 1M 1M", "-c", "read -P 0 1M 1M", "-c", "read -P 0x5a 2M 2M",
            served.url())
        out = run("qemu-img", "info", served.url())
        assert "virtual size: 64 MiB" in out, out
        served.finish()


def check_many_at_once():
    with target("--shards", "2") as served:
        offsets = [f"{i}M" for i in range(0, 40, 5)]
        writers = [subprocess.Popen(["qemu-io", "-f", "raw", "-c", f"write -P {i + 1} {at} 4M", "-c", f"read -P {i + 1} {at} 4M",
                                     f"{served.url()}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                    env={"PATH": "/usr/bin:/bin"})
                   for i, at in enumerate(offsets)]
        for writer in writers:
            out, _ = writer.communicate(timeout=60)
            assert writer.returncode == 0 and "verification failed" not in out, out
        served.finish()


def check_chap():
    with target("--chap", "pc01:secret12secret34") as served:
        assert "ROOTSTCK" in run("iscsi-inq", served.url("pc01%secret12secret34@"))
        run("iscsi-inq", served.url("pc01%wrongsecret1234@"), code=1)
        run("iscsi-inq", served.url("pc02%secret12secret34@"), code=1)
        run("iscsi-inq", served.url(), code=1)
        _, log = served.finish()
        assert log.count("iscsi.login.refused") == 3 and "0x0201" in log, log
        assert "secret12" not in log and "wrongsecret" not in log, log


def check_mutual_chap():
    def inquiry(served, secret):
        return subprocess.run(["iscsi-inq", served.url(f"pc01%secret12secret34@") + f"?target_user=tgt&target_password={secret}"],
                              capture_output=True, text=True, timeout=60).returncode

    with target("--chap", "pc01:secret12secret34", "--mutual", "tgt:othersecret567") as served:
        assert inquiry(served, "othersecret567") == 0
        assert inquiry(served, "not the secret") != 0
        served.finish()


def check_digests():
    with target() as served:
        out = run("iscsi-inq", served.url() + "?header_digest=crc32c")
        assert "ROOTSTCK" in out, out
        served.finish()


def check_ipv6():
    if not socket.has_ipv6:
        return "no IPv6"
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return "no IPv6 loopback"
    with target("--address", "::1") as served:
        assert "ROOTSTCK" in run("iscsi-inq", served.url(host="[::1]"))
        served.finish()
    return None


def read_until(stream, text, seconds):
    """What a program says until it says `text`; all that it said when it never does."""
    said, deadline = b"", time.monotonic() + seconds
    while text not in said and (left := deadline - time.monotonic()) > 0:
        if not select.select([stream], [], [], left)[0] or not (piece := os.read(stream.fileno(), 4096)):
            break
        said += piece
    return said.decode(errors="replace")


def check_cdrom_boot():
    """A BIOS boots the ISO image by El Torito, and its loader reads on: scsi-generic passes their commands to our drive as they are."""
    if not IPXE_ISO.exists():
        return f"{IPXE_ISO} missing"
    with target("--unit", "cdrom", "--content", str(IPXE_ISO)) as served:
        machine = subprocess.Popen(
            ["qemu-system-x86_64", "-nodefaults", "-nographic", "-serial", "stdio", "-m", "128", "-device", "virtio-scsi-pci",
             "-drive", f"file={served.url()},if=none,id=cd,format=raw,readonly=on", "-device", "scsi-generic,drive=cd"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            said = read_until(machine.stdout, b"iPXE initialising devices", 90)
        finally:
            machine.kill()
            machine.wait()
            machine.stdout.close()
        assert "iPXE initialising devices" in said, said[-2000:]
    return None


def check_unknown_target():
    with target() as served:
        run("iscsi-inq", f"iscsi://127.0.0.1:{served.port}/iqn.2026-01.test.rootstock:nobody/0", code=1)
        _, log = served.finish()
        assert "0x0203" in log, log


def login_pdu(isid, tsih=0):
    text = f"InitiatorName=iqn.2026-01.test:raw\0TargetName={TARGET}\0SessionType=Normal\0InitialR2T=Yes\0".encode()
    header = struct.pack(">BBBB I 6s H I HH II 16x", 0x43, 0x87, 0, 0, len(text), isid, tsih, 1, 0, 0, 1, 1)
    return header + text + b"\0" * (-len(text) % 4)


def read_pdu(connection):
    header = b""
    while len(header) < 48:
        part = connection.recv(48 - len(header))
        if not part:
            return None
        header += part
    length = int.from_bytes(header[5:8], "big")
    data = b""
    while len(data) < (length + 3) // 4 * 4:
        part = connection.recv((length + 3) // 4 * 4 - len(data))
        assert part
        data += part
    return header + data


def read10(tag, cmd_sn, lba, blocks):
    cdb = struct.pack(">BBIBHB6x", 0x28, 0, lba, 0, blocks, 0)
    return struct.pack(">BBHI8xIIII", 0x01, 0xC1, 0, 0, tag, blocks * 512, cmd_sn, 1) + cdb


def log_in(served, isid=b"\x80\0\0\0\0\1"):
    connection = socket.create_connection(("127.0.0.1", served.port), timeout=60)
    connection.sendall(login_pdu(isid))
    answer = read_pdu(connection)
    assert answer[0] == 0x23 and answer[36:38] == b"\0\0", answer
    connection.sendall(struct.pack(">BBHI8xIIII16x", 0x01, 0x81, 0, 0, 5, 0, 1, 1))
    assert read_pdu(connection)[3] == 2  # unit attention of a new nexus
    return connection


def check_reinstatement():
    with target() as served:
        first = log_in(served)
        second = log_in(served)  # the same ISID: the first session is ended
        assert first.recv(1) == b"", "the older session still lives"
        second.sendall(read10(9, 2, 0, 1))
        assert read_pdu(second)[0] == 0x25
        third = log_in(served, b"\x80\0\0\0\0\2")  # another ISID: both live
        second.sendall(read10(10, 3, 0, 1))
        assert read_pdu(second)[0] == 0x25
        third.close()
        second.close()
        served.finish()


def check_calls_per_reply():
    """At queue 8 no more than 0.75 system calls for each 4 KiB reply, one sendmsg for a 64 KiB reply."""
    def measure(blocks, queue, rounds):
        with target() as served:
            connection = log_in(served)
            for i in range(rounds):
                batch = b"".join(read10(100 + i * queue + k, 2 + i * queue + k, (i * queue + k) % 64 * blocks, blocks)
                                 for k in range(queue))
                connection.sendall(batch)
                left = queue
                while left > 0:
                    left -= read_pdu(connection)[1] & 1
            connection.close()
            counters, _ = served.finish()
            return counters, queue * rounds

    counters, replies = measure(8, 8, 500)
    calls = counters["receives"] + counters["sends"] + 2 * counters["waits"]  # a wait: epoll_ctl and epoll_wait
    assert calls / replies <= 0.75, (counters, replies)
    assert counters["jobs"] == 0, counters
    counters, replies = measure(128, 1, 500)
    assert counters["sends"] <= replies * 1.02 + 5, (counters, replies)


def check_strangers():
    with target() as served:
        for garbage in (b"GET / HTTP/1.1\r\n\r\n" * 8, b"\0" * 5000, b"\xff" * 5000, struct.pack(">BBBBI", 0x43, 0x87, 0, 0, 0xFFFFFF) + b"\0" * 40):
            with socket.create_connection(("127.0.0.1", served.port), timeout=60) as connection:
                with contextlib.suppress(ConnectionError):
                    connection.sendall(garbage)
                    while connection.recv(4096):
                        pass
        silent = [socket.create_connection(("127.0.0.1", served.port), timeout=60) for _ in range(20)]
        assert "ROOTSTCK" in run("iscsi-inq", served.url())
        for connection in silent:
            connection.close()
        served.finish()


def check_slow_reader():
    """One session that never reads must not stop another."""
    with target("--size", "64") as served:
        greedy = log_in(served)
        for i in range(64):
            greedy.sendall(read10(100 + i, 2 + i, 0, 16384))
        started = time.monotonic()
        run("qemu-io", "-f", "raw", "-c", "write -P 3 1M 1M", "-c", "read -P 3 1M 1M", served.url())
        assert time.monotonic() - started < 20
        greedy.close()
        served.finish()


NEEDS = {"check_tools": ["iscsi-ls", "iscsi-inq", "iscsi-readcapacity16"], "check_qemu_io": ["qemu-io", "qemu-img"],
         "check_many_at_once": ["qemu-io"], "check_chap": ["iscsi-inq"], "check_mutual_chap": ["iscsi-inq"],
         "check_digests": ["iscsi-inq"], "check_ipv6": ["iscsi-inq"], "check_unknown_target": ["iscsi-inq"],
         "check_cdrom_boot": ["qemu-system-x86_64"], "check_strangers": ["iscsi-inq"], "check_slow_reader": ["qemu-io"]}


def main():
    failed = 0
    for name, check in list(globals().items()):
        if not re.fullmatch(r"check_\w+", name):
            continue
        missing = [program for program in NEEDS.get(name, []) if shutil.which(program) is None]
        if missing:
            print(f"SKIPPED {name}: {', '.join(missing)} missing", flush=True)
            continue
        started = time.monotonic()
        try:
            skipped = check()
        except Exception as problem:  # one check must not hide the others
            failed += 1
            print(f"FAILED {name}: {type(problem).__name__}: {str(problem)[:3000]}", flush=True)
            continue
        print(f"{'SKIPPED' if skipped else 'passed'} {name} {skipped or ''} ({time.monotonic() - started:.1f} s)", flush=True)
    return 1 if failed else 0


sys.exit(main())
