"""The real server over a folder of its own, and a small initiator: what the checks of volumes_test.py share."""
import contextlib
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

    def __init__(self, volumes="", iscsi="", rest="", http=""):
        self.folder = Path(tempfile.mkdtemp(prefix="rootstock-volumes-"))
        self.port = free_port()
        self.http_port = free_port()
        self.config = self.folder / "rootstock.toml"
        self.log = self.folder / "server.log"
        self.configure(volumes, iscsi, rest, http)
        self.start()

    def configure(self, volumes="", iscsi="", rest="", http=""):
        self.config.write_text(
            f'[server]\ninterface = "lo"\ndata = "{self.folder}/data"\n[dhcp]\nmode = "off"\n[http]\nport = {self.http_port}\n{http}\n'
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
        deadline = time.monotonic() + 60
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
