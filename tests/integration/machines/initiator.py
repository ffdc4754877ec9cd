"""An initiator of our own for machines' disks and volumes: CHAP, several commands at a time, status and sense of each. Loopback only."""
import hashlib
import re
import socket
import struct
import sys
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "volumes"))
from volumes_test import GOOD, IQN, Session  # noqa: E402


class Access:
    """Who logs in to what, and what proves it."""

    def __init__(self, target, initiator, user="", secret=""):
        self.target, self.initiator, self.user, self.secret = target, initiator, user, secret


def volume_access(name):
    return Access(f"{IQN}:volume.{name}", "iqn.2026-01.test:node-a")


def boot(served, mac):
    """What a machine's iPXE is given for its disk: it is a new boot, with a secret of its own."""
    with urllib.request.urlopen(f"http://127.0.0.1:{served.http_port}/boot.ipxe?mac={mac}", timeout=30) as answer:
        script = answer.read().decode()
    values = dict(re.findall(r"^set (\S+) (.*)$", script, re.MULTILINE))
    target = re.search(r"^sanboot .*?iscsi:\S+?:[^:]*:\d*:[^:]*:(\S+)", script, re.MULTILINE)[1]
    return Access(target, values["initiator-iqn"], values["username"], values["password"])


class Initiator(Session):
    """A session with CHAP (RFC 7143 section 12.1.3) and several commands at a time."""

    def __init__(self, served, access):
        self.connection = socket.create_connection(("127.0.0.1", served.port), timeout=30)
        names = {"InitiatorName": access.initiator, "TargetName": access.target, "SessionType": "Normal"}
        if access.secret:
            self.login(0x00, {**names, "AuthMethod": "CHAP"})
            challenge = self.login(0x00, {"CHAP_A": "5"})
            proof = hashlib.md5(bytes([int(challenge["CHAP_I"])]) + access.secret.encode() + bytes.fromhex(challenge["CHAP_C"][2:])).hexdigest()
            self.login(0x81, {"CHAP_N": access.user, "CHAP_R": "0x" + proof})
            names = {}
        self.login(0x87, {**names, "InitialR2T": "No", "ImmediateData": "Yes"})
        self.cmd_sn, self.tag = 1, 10
        while self.command(bytes(6))[0] != GOOD:
            pass

    def login(self, flags, keys):
        text = b"".join(f"{key}={value}\0".encode() for key, value in keys.items())
        header = struct.pack(">BBBB I 6s H I HH II 16x", 0x43, flags, 0, 0, len(text), b"\x80\0\0\0\0\1", 0, 1, 0, 0, 1, 1)
        self.connection.sendall(header + text + b"\0" * (-len(text) % 4))
        answer, data = self.read_pdu()
        assert answer[0] == 0x23 and answer[36:38] == b"\0\0", f"login refused: {answer[36:38].hex()}"
        return dict(pair.split("=", 1) for pair in data.decode().split("\0") if pair)

    def send(self, cdb, data=b""):
        """The command's tag; its answer comes by wait_one()."""
        self.tag += 1
        header = struct.pack(">BBHI8xIIII", 0x01, 0xA1 if data else 0x81, 0, len(data), self.tag, len(data), self.cmd_sn, 0)
        self.cmd_sn += 1
        self.connection.sendall(header + cdb.ljust(16, b"\0") + data)
        return self.tag

    def wait_one(self):
        """(tag, status) of the next command that is done."""
        while True:
            answer, _ = self.read_pdu()
            if answer[0] & 0x3F == 0x21:
                return int.from_bytes(answer[16:20], "big"), answer[3]
