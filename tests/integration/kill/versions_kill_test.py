"""The server dies by SIGKILL in the middle of what makes and removes versions: import, publish, promote, flatten, prune.

    versions_kill_test.py ROOTSTOCK [ROUNDS]        ROOTSTOCK_KILL_ROUNDS=100 does the same; ROOTSTOCK_KILL_SEED=n starts elsewhere

After each restart there are the old versions or the old ones and the new one, each with its contents and nothing else's; what was cut off can be done again;
and `store check --deep` finds every file known and sound. Loopback only.
"""
import json
import os
import random
import struct
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "machines"))
from initiator import Initiator, boot  # noqa: E402
from volumes_rig import GOOD, PROGRAM, server  # noqa: E402

ROUNDS = int(sys.argv[2] if len(sys.argv) > 2 else os.environ.get("ROOTSTOCK_KILL_ROUNDS", 5))
SEED = int(os.environ.get("ROOTSTOCK_KILL_SEED", 1))
BLOCK = 4096
BLOCKS = 2048  # of 4 KiB, in 8 MiB
IMAGE = "win11"
WRITER, KEPT = ("writer", "52:54:00:aa:00:01"), ("kept", "52:54:00:aa:00:02")


class Lab:
    """Models: what each block of the image's newest version holds, of the writer's disk, and of a persistent machine's."""

    def __init__(self, served):
        self.served, self.count = served, 0
        self.newest = 1
        self.killed, self.cut_off = 0, 0
        self.contents = [self.next()] * BLOCKS
        self.duration = {}  # of each operation, in seconds, when nobody kills it
        served.command(*self.import_image(IMAGE, self.contents))
        for name, mac in (WRITER, KEPT):
            served.command("machine", "assign", mac, "--name", name, "--image", IMAGE)
        self.kept = self.write(KEPT, list(self.contents))

    def next(self):
        self.count = self.count % 255 + 1
        return self.count

    def import_image(self, name, contents):
        source = self.served.folder / "source.raw"
        source.write_bytes(b"".join(bytes([byte]) * BLOCK for byte in contents))
        return "image", "import", str(source), "--name", name

    def write(self, machine, contents):
        """The machine boots, writes here and there, and is switched off; what it holds then."""
        ended = self.served.words().count(" iscsi.session.ended ")
        session = Initiator(self.served, boot(self.served, machine[1]))
        byte = self.next()
        for block in [0, BLOCKS - 1, *random.Random(byte).sample(range(BLOCKS), 20)]:
            assert session.command(struct.pack(">BBIxH", 0x2A, 0, block * 8, 8), data=bytes([byte]) * BLOCK)[0] == GOOD
            contents[block] = byte
        session.connection.close()
        self.served.await_words(" iscsi.session.ended ", ended + 1)
        return contents

    def check_kept(self):
        ended = self.served.words().count(" iscsi.session.ended ")
        session = Initiator(self.served, boot(self.served, KEPT[1]))
        for first in range(0, BLOCKS, 64):
            status, data = session.command(struct.pack(">BBIxH", 0x28, 0, first * 8, 64 * 8), 64 * BLOCK)
            assert status == GOOD and data == b"".join(bytes([byte]) * BLOCK for byte in self.kept[first:first + 64]), first
        session.connection.close()
        self.served.await_words(" iscsi.session.ended ", ended + 1)

    def check_image(self, name, contents):
        target = self.served.folder / "exported.raw"
        self.served.command("image", "export", name, str(target), "--format", "raw", "--force")
        data = target.read_bytes()
        assert len(data) == BLOCKS * BLOCK
        wrong = [block for block in range(BLOCKS) if data[block * BLOCK:][:BLOCK] != bytes([contents[block]]) * BLOCK]
        assert not wrong, f"{name}: blocks {wrong[:10]} of {len(wrong)}"

    def images(self):
        return {image["name"]: image for image in json.loads(self.served.command("image", "list", "--json"))["images"]}

    def show(self):
        return json.loads(self.served.command("image", "show", IMAGE, "--json"))

    def cut(self, kind, words, chance):
        """Runs the command and kills the server in its midst; whether it had said by then that all is done."""
        begun = time.monotonic()
        command = subprocess.Popen([PROGRAM, *words, "--config", str(self.served.config)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if kind not in self.duration:  # the first of its kind tells how long it takes
            said = command.communicate(timeout=300)[0]
            assert command.returncode == 0, (words, said)
            self.duration[kind] = time.monotonic() - begun
            return True
        time.sleep(chance.uniform(0, self.duration[kind]))
        self.served.kill()
        said = command.communicate(timeout=300)[0]
        self.killed += 1
        self.cut_off += command.returncode != 0
        self.served.start()
        return command.returncode == 0

    def make_image(self, kind, words, name, contents, chance):
        """By import or promote: it is there, whole, or not at all."""
        done = self.cut(kind, words, chance)
        there = name in self.images()
        assert there or not done, f"{name} was made, and is gone"
        if not there:
            self.served.command(*words)  # nothing is in the way of it
        self.check_image(name, contents)
        self.served.command("image", "remove", name)

    def do_import(self, chance):
        contents = [self.next()] * BLOCKS
        self.make_image("import", self.import_image("imported", contents), "imported", contents, chance)

    def do_promote(self, chance):
        self.make_image("promote", ("image", "promote", "--machine", KEPT[0], "--name", "promoted"), "promoted", self.kept, chance)

    def do_publish(self, chance):
        self.served.command("image", "update", IMAGE, "--on", WRITER[0], "--discard")
        written = self.write(WRITER, list(self.contents))
        done = self.cut("publish", ("image", "publish", IMAGE), chance)
        shown = self.show()
        numbers = [version["number"] for version in shown["versions"]]
        made = numbers[-1] == self.newest + 1
        assert numbers[-1] in (self.newest, self.newest + 1) and (made or not done), shown
        assert (shown["maintenance"] is None) == made, shown
        if not made:
            self.served.command("image", "publish", IMAGE)
        self.newest += 1
        self.contents = written
        self.await_current()

    def await_current(self):
        """A version that is for all becomes the current one a moment after its release began, also when the server was killed in between."""
        deadline = time.monotonic() + 60
        while self.show()["version"] != self.newest:
            assert time.monotonic() < deadline, self.show()
            time.sleep(0.05)

    def do_flatten(self, chance):
        self.served.command("snapshot", "create", KEPT[0], f"s{self.count}-{self.newest}")
        self.kept = self.write(KEPT, self.kept)
        self.cut("flatten", ("snapshot", "flatten", "--most-files", "1"), chance)

    def do_prune(self, chance):
        self.cut("prune", ("image", "prune", IMAGE, "--keep", "1"), chance)
        numbers = [version["number"] for version in self.show()["versions"]]
        assert self.newest in numbers, numbers

    def round(self, number, chance):
        operations = (self.do_publish, self.do_import, self.do_promote, self.do_flatten, self.do_prune)
        operations[number % len(operations)](chance)
        self.check_image(IMAGE, self.contents)
        self.check_kept()
        self.served.command("store", "check", "--deep")


def main():
    chance = random.Random(SEED)
    begun = time.monotonic()
    with server() as served:
        lab = Lab(served)
        for number in range(5 + ROUNDS):  # one of each kind that nobody kills
            lab.round(number, chance)
            print(f"round {number + 1} after {time.monotonic() - begun:.0f} s: killed {lab.killed} times, {lab.cut_off} of them in the midst", flush=True)
        files = sorted(path.name for folder in ("images", "overlays") for path in (served.folder / "data" / folder).rglob("*") if path.is_file())
        leftover = [name for name in files if not name.endswith((".vhdx", ".live"))]
        assert not leftover, leftover


if __name__ == "__main__":
    main()
