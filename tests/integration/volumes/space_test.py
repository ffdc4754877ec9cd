"""Quotas and a full file system, seen by independent initiators: python3 space_test.py ROOTSTOCK [check...]

A machine that has used up its quota, its group's or the store's gets DATA PROTECT / SPACE ALLOCATION FAILED WRITE PROTECT (27h/07h), and nobody else does.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request

import volumes_rig
from volumes_rig import CHECK_CONDITION, GOOD, IQN, Server, Session, run, server, volume

MIB = 1024 * 1024
NO_SPACE = "No space left on device"


def call(served, path, body=None, method=None):
    request = urllib.request.Request(f"http://127.0.0.1:{served.http_port}{path}", method=method or ("POST" if body is not None else "GET"),
                                     data=None if body is None else json.dumps(body).encode(), headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text.startswith((b"{", b"[")) else text.decode()


class Machine:
    """A machine whose PC has booted: a disk that qemu-io can use."""

    def __init__(self, served, name, mac):
        self.served, self.name = served, name
        script = call(served, f"/boot.ipxe?mac={mac}")
        values = dict(re.findall(r"^set (\S+) (.*?)(?: \|\|.*)?$", script, re.MULTILINE))
        self.options = (f"driver=iscsi,transport=tcp,portal=127.0.0.1:{served.port},target={IQN}:machine.{name},lun=0,"
                        f"initiator-name={values['initiator-iqn']},user={values['username']},password-secret=s0")
        self.secret = f"secret,id=s0,data={values['password']}"

    def io(self, *commands, code=0):
        words = [word for command in commands for word in ("-c", command)]
        done = subprocess.run(["qemu-io", "--object", self.secret, "--image-opts", self.options, *words], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode == 0) == (code == 0), (commands, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def disk(self):
        return call(self.served, f"/api/v1/machines/{self.name}")["disk"]


def seats(names):
    return "".join(f'[[machine]]\nname = "{name}"\nmac = "52:54:00:aa:00:{at:02x}"\nimage = "small"\n{more}\n' for at, (name, more) in enumerate(names.items(), 1))


def import_small(served):
    image = served.folder / "small.raw"
    with image.open("wb") as file:
        file.truncate(64 * MIB)
    served.command("image", "import", str(image), "--name", "small")


def wait_until(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def check_machine_and_group_quota():
    with server() as served:
        import_small(served)
        names = {"lab1-01": "", "lab1-02": 'group = "lab1"', "lab1-03": 'group = "lab1"', "lab1-04": ""}
        served.configure(rest='[quota]\nmachine = "16M"\n[[group]]\nname = "lab1"\nquota = "12M"\n' + seats(names))
        served.command("apply")
        machines = {name: Machine(served, name, f"52:54:00:aa:00:{at:02x}") for at, name in enumerate(names, 1)}
        one = machines["lab1-01"]
        one.io("write -P 1 0 16M")
        assert NO_SPACE in one.io("write -P 2 32M 64k", code=1)
        one.io("write -P 3 0 64k", "read -P 3 0 64k", "read -P 0 32M 64k")  # in place, and what was refused has changed nothing
        machines["lab1-04"].io("write -P 1 32M 1M")
        served.await_words("images.space.refused scope=machine name=lab1-01")
        assert one.disk()["full"] and one.disk()["alarm"] == 95, one.disk()
        assert "FULL" in served.command("machine", "list")

        one.io("discard 0 8M", "flush")
        one.io("write -P 4 32M 6M")
        served.command("machine", "set", "lab1-01", "--quota", "64M")
        one.io("write -P 4 40M 10M")
        assert call(served, "/api/v1/machines/lab1-01")["quota_bytes"] == 64 * MIB
        assert "there is no group" in served.command("machine", "set", "lab1-01", "--group", "lab9", code=1)

        machines["lab1-02"].io("write 0 8M")
        machines["lab1-03"].io("write 0 4M")
        assert NO_SPACE in machines["lab1-03"].io("write 16M 64k", code=1)
        served.await_words("images.space.refused scope=group name=lab1")
        assert "group lab1" in served.command("status")
        assert served.words().count("images.space.refused scope=machine") == 1, served.words()


def check_store_quota():
    with server(volume("full") + volume("late"), rest='[quota]\nstore = "8M"') as served:
        run("qemu-io", "-f", "raw", "-c", "write 0 8M", served.url("full"))
        late = Session(served, "late")
        status, sense = late.command(bytes([0x2A, 0, 0, 0, 0, 0, 0, 0, 8, 0]), data=b"x" * 4096)
        assert status == CHECK_CONDITION, status
        assert (sense[2] & 0xF, sense[12], sense[13]) == (0x07, 0x27, 0x07), sense.hex()
        assert len(late.read(0)) == 512
        run("qemu-io", "-f", "raw", "-c", "discard 0 8M", "-c", "flush", served.url("full"))
        wait_until(lambda: late.command(bytes([0x2A, 0, 0, 0, 0, 0, 0, 0, 8, 0]), data=b"x" * 4096)[0] == GOOD, "no room after a discard")
        store = call(served, "/api/v1/status")["space"]["store"]
        assert store["limit_bytes"] == 8 * MIB, store


class OnSmallDisk(Server):
    """Its data directory is a file system of 48 MiB that nobody else sees."""

    def start(self):
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        started = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o size=48m none "{data}" && exec "$0" serve --config "{self.config}"', volumes_rig.PROGRAM]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(started, stdout=log, stderr=log)
        self.await_words(" server.started ")


def check_full_file_system():
    if os.geteuid() != 0:
        print("not root: no file system was mounted, and what happens when one is full was not tested")
        return
    served = OnSmallDisk(volume("greedy", "128M") + volume("modest"))
    try:
        modest = Session(served, "modest")
        assert modest.write(0, 1) == GOOD
        assert NO_SPACE in run("qemu-io", "-f", "raw", "-c", "write 0 64M", served.url("greedy"), code=1)
        served.await_words("images.space.refused scope=file-system")
        served.await_words("images.space.alarm scope=file-system")
        assert modest.write(0, 2) == GOOD, "a write in place needs no room"
        assert modest.read(0) == b"\2" * 512
        status, sense = modest.command(bytes([0x2A, 0, 0, 0, 0x80, 0, 0, 0, 8, 0]), data=b"x" * 4096)
        assert status == CHECK_CONDITION and (sense[2] & 0xF, sense[12], sense[13]) == (0x07, 0x27, 0x07), (status, sense.hex())
        run("qemu-io", "-f", "raw", "-c", "discard 0 64M", "-c", "flush", "-c", "flush", served.url("greedy"))
        assert modest.command(bytes([0x2A, 0, 0, 0, 0x80, 0, 0, 0, 8, 0]), data=b"x" * 4096)[0] == GOOD
        served.await_words("images.space.eased scope=file-system")
        assert served.words().count("images.space.refused") == 1, served.words()
        served.stop()
    finally:
        if served.process.poll() is None:
            served.kill()
        shutil.rmtree(served.folder, ignore_errors=True)


if __name__ == "__main__":
    if shutil.which("qemu-io") is None:
        print("skipped: qemu-io is not installed (package qemu-utils)")
        sys.exit(77)
    for check in (check_machine_and_group_quota, check_store_quota, check_full_file_system):
        if not sys.argv[2:] or check.__name__ in sys.argv[2:]:
            check()
            print(f"ok {check.__name__.removeprefix('check_')}", flush=True)
