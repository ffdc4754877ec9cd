"""Volumes of the real server, from rootstock.toml and the command line to independent initiators (libiscsi's tools, QEMU) and a small one of our own.

    volumes_test.py ROOTSTOCK

Loopback only. Each check is one function. Exit code 77: libiscsi's tools or QEMU are missing.
"""
import contextlib
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = sys.argv[1]
IQN = "iqn.2026-01.test.rootstock"
GOOD, CHECK_CONDITION, RESERVATION_CONFLICT = 0x00, 0x02, 0x18
SECRET, OTHER_SECRET, WRONG_SECRET = "secret12secret34", "othersecret567xx", "wrongsecret12345"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(*command, code=0, given=None):
    done = subprocess.run(command, input=given, capture_output=True, text=True, errors="replace", timeout=60, check=False)
    assert (done.returncode == 0) == (code == 0), (command, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


class Server:
    """A server over a folder of its own; may be killed and started again."""

    def __init__(self, volumes="", iscsi="", rest=""):
        self.folder = Path(tempfile.mkdtemp(prefix="rootstock-volumes-"))
        self.port = free_port()
        self.http_port = free_port()
        self.config = self.folder / "rootstock.toml"
        self.log = self.folder / "server.log"
        self.configure(volumes, iscsi, rest)
        self.start()

    def configure(self, volumes="", iscsi="", rest=""):
        self.config.write_text(
            f'[server]\ninterface = "lo"\ndata = "{self.folder}/data"\n[dhcp]\nmode = "off"\n[http]\nport = {self.http_port}\n'
            f'[iscsi]\nport = {self.port}\niqn_prefix = "{IQN}"\n{iscsi}\n{rest}\n{volumes}\n', encoding="utf-8")

    def start(self):
        started = self.words().count(" server.started ")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([PROGRAM, "serve", "--config", self.config], stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while self.words().count(" server.started ") == started:
            assert self.process.poll() is None and time.monotonic() < deadline, self.words()[-4000:]
            time.sleep(0.05)

    def words(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def await_words(self, words, count=1):
        """The server writes its log when its peer may have gone on already."""
        deadline = time.monotonic() + 20
        while self.words().count(words) < count:
            assert time.monotonic() < deadline, f"no {words!r} in:\n{self.words()[-2000:]}"
            time.sleep(0.02)

    def kill(self):
        self.process.kill()
        self.process.wait(20)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        assert self.process.wait(30) == 0, self.words()[-4000:]

    def command(self, *words, code=0, given=None):
        return run(PROGRAM, *words, "--config", str(self.config), code=code, given=given)

    def url(self, volume, login="", host="127.0.0.1"):
        return f"iscsi://{login}{host}:{self.port}/{IQN}:volume.{volume}/0"

    def portal(self, login=""):
        return f"iscsi://{login}127.0.0.1:{self.port}"


@contextlib.contextmanager
def server(*args, **kwargs):
    served = Server(*args, **kwargs)
    try:
        yield served
        served.stop()
    finally:
        if served.process.poll() is None:
            served.kill()
        shutil.rmtree(served.folder, ignore_errors=True)


def volume(name, size="64M", more=""):
    return f'[[volume]]\nname = "{name}"\nsize = "{size}"\ninitiators = ["*"]\n{more}\n'


class Session:
    """A session without authentication: one command at a time."""

    def __init__(self, served, target, host="127.0.0.1", name="iqn.2026-01.test:node-a", isid=b"\x80\0\0\0\0\1"):
        self.connection = socket.create_connection((host, served.port), timeout=20)
        text = f"InitiatorName={name}\0TargetName={IQN}:volume.{target}\0SessionType=Normal\0InitialR2T=No\0ImmediateData=Yes\0".encode()
        header = struct.pack(">BBBB I 6s H I HH II 16x", 0x43, 0x87, 0, 0, len(text), isid, 0, 1, 0, 0, 1, 1)
        self.connection.sendall(header + text + b"\0" * (-len(text) % 4))
        answer, keys = self.read_pdu()
        assert answer[0] == 0x23 and answer[36:38] == b"\0\0", answer
        self.group_tag = int(re.search(rb"TargetPortalGroupTag=(\d+)", keys)[1])
        self.cmd_sn, self.tag = 1, 10
        while self.command(bytes(6))[0] != GOOD:  # the unit attentions of a new nexus
            pass

    def receive(self, size):
        data = b""
        while len(data) < size:
            part = self.connection.recv(size - len(data))
            assert part, "the target has closed the connection"
            data += part
        return data

    def read_pdu(self):
        header = self.receive(48)
        length = int.from_bytes(header[5:8], "big")
        return header, self.receive((length + 3) // 4 * 4)[:length]

    def command(self, cdb, expected=0, data=b""):
        """(status, data or sense)"""
        flags = 0x81 | (0x20 if data else 0x40 if expected else 0)
        self.tag += 1
        header = struct.pack(">BBHI8xIIII", 0x01, flags, 0, len(data), self.tag, len(data) or expected, self.cmd_sn, 0)
        self.cmd_sn += 1
        self.connection.sendall(header + cdb.ljust(16, b"\0") + data)
        received = b""
        while True:
            answer, content = self.read_pdu()
            opcode = answer[0] & 0x3F
            if opcode == 0x25:
                received += content
                if answer[1] & 1:
                    return answer[3], received
            elif opcode == 0x21:
                return answer[3], received if answer[3] == GOOD else content[2:]

    def reserve_out(self, action, kind, key, action_key, aptpl):
        cdb = struct.pack(">BBB2xI", 0x5F, action, kind, 24)
        return self.command(cdb, data=struct.pack(">QQ4xB3x", key, action_key, 1 if aptpl else 0))[0]

    def keys(self):
        status, data = self.command(struct.pack(">BB5xH", 0x5E, 0, 1024), 1024)
        assert status == GOOD, status
        return [int.from_bytes(data[at:at + 8], "big") for at in range(8, 8 + int.from_bytes(data[4:8], "big"), 8)]

    def write(self, lba, byte):
        return self.command(struct.pack(">BBIxH", 0x2A, 0, lba, 1), data=bytes([byte]) * 512)[0]

    def read(self, lba):
        return self.command(struct.pack(">BBIxH", 0x28, 0, lba, 1), 512)[1]

    def capacity(self):
        """(bytes, logical block size)"""
        status, data = self.command(struct.pack(">BB8xI", 0x9E, 0x10, 32), 32)
        assert status == GOOD, status
        last, size = struct.unpack(">QI", data[:12])
        return (last + 1) * size, size

    def device_identification(self):
        return self.command(bytes([0x12, 1, 0x83, 1, 0]), 256)[1]


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


def check_initiators_by_address():
    with server(volume("near").replace('"*"', '"127.0.0.0/30"') + volume("far").replace('"*"', '"10.0.0.0/8", "fd00::1"')) as served:
        assert "ROOTSTCK" in run("iscsi-inq", served.url("near"))
        run("iscsi-inq", served.url("far"), code=1)
        served.await_words("0x0202")
        listing = run("iscsi-ls", served.portal())
        assert "volume.near" in listing and "volume.far" not in listing, listing


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
        if name.startswith("check_") and name != "check_chap_by_command" and (not wanted or name in wanted):
            check()
            print(f"ok {name.removeprefix('check_')}", flush=True)


if __name__ == "__main__":
    main()
