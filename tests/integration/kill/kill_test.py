"""The server dies by SIGKILL under load, again and again: every acknowledged write of every kind of disk must be there when it is back.

    kill_test.py ROOTSTOCK [ROUNDS]        ROOTSTOCK_KILL_ROUNDS=100 does the same; ROOTSTOCK_KILL_SEED=n starts elsewhere

Initiators of our own write to a persistent machine, a machine in mode reset, and a volume, several commands at a time, and know of each write whether it
was acknowledged. One that was not may be there or not, block by block; an acknowledged one that is not there ends the test. Meanwhile snapshots of these
disks come and go, and chains are flattened; a volume that nobody uses goes back and forth between two snapshots, of which clones are made. Loopback only.
"""
import os
import random
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "machines"))
from initiator import Initiator, boot, volume_access  # noqa: E402
from volumes_rig import GOOD, PROGRAM, server, volume  # noqa: E402

ROUNDS = int(sys.argv[2] if len(sys.argv) > 2 else os.environ.get("ROOTSTOCK_KILL_ROUNDS", 8))
SEED = int(os.environ.get("ROOTSTOCK_KILL_SEED", 1))
BLOCK = 4096
BLOCKS = 6000  # of 4 KiB, in 24 MiB: several payload blocks of the overlay
OUTSTANDING = 8
SNAPSHOTS_A_ROUND = 1  # of each disk: deleting their files takes longer than all the rest
IMAGE_BYTE = 0xA5


class Disk:
    """What is known of a disk's blocks: which contents each may have."""

    def __init__(self, name, access, fresh=bytes(8)):
        self.name, self.access, self.fresh = name, access, fresh
        self.known = {}  # block -> contents that it may have, as 8 bytes that fill it
        self.count = 0
        self.acknowledged = 0

    def value(self):
        self.count += 1
        return struct.pack(">Q", self.count)

    def write_until_killed(self, served, seed, ready):
        """Random writes of 1 to 16 blocks, some with FUA, and flushes, until the connection is lost."""
        chance = random.Random(seed)
        open_writes = {}  # tag -> (blocks, value)
        try:
            session = Initiator(served, self.access)
            ready.set()
            while True:
                while len(open_writes) < OUTSTANDING:
                    self.send_one(session, chance, open_writes)
                tag, status = session.wait_one()
                blocks, value = open_writes.pop(tag)
                assert status == GOOD, f"{self.name}: status {status}"
                for block in blocks:
                    self.known[block] = {value}
                self.acknowledged += bool(blocks)
        except (OSError, AssertionError) as error:
            if isinstance(error, AssertionError) and "closed the connection" not in str(error):
                raise
        finally:
            ready.set()

    def send_one(self, session, chance, open_writes):
        if chance.random() < 0.02:
            open_writes[session.send(bytes([0x35]))] = ((), b"")  # SYNCHRONIZE CACHE
            return
        busy = {block for blocks, _ in open_writes.values() for block in blocks}
        count = chance.choice((1, 1, 1, 2, 16))
        first = chance.randrange(BLOCKS - count)
        blocks = range(first, first + count)
        if busy.intersection(blocks):
            return
        value = self.value()
        for block in blocks:  # from now on it may be there
            self.known[block] = self.known.get(block, {self.fresh}) | {value}
        fua = 0x08 if chance.random() < 0.05 else 0
        cdb = struct.pack(">BBIxH", 0x2A, fua, first * 8, count * 8)
        open_writes[session.send(cdb, value * (BLOCK // 8 * count))] = (blocks, value)

    def verify(self, served):
        """Reads every block that was ever written, and settles what it found."""
        session = Initiator(served, self.access)
        step = 32
        for first in range(0, BLOCKS, step):
            if not any(block in self.known for block in range(first, first + step)):
                continue
            status, data = session.command(struct.pack(">BBIxH", 0x28, 0, first * 8, step * 8), step * BLOCK)
            assert status == GOOD and len(data) == step * BLOCK, (self.name, status)
            for block in range(first, first + step):
                if block not in self.known:
                    continue
                found = data[(block - first) * BLOCK:][:BLOCK]
                value = found[:8]
                assert value in self.known[block] and found == value * (BLOCK // 8), \
                    f"{self.name}: block {block} holds {value.hex()}, it should be one of {sorted(each.hex() for each in self.known[block])}"
                self.known[block] = {value}
        session.connection.close()


def machine_disk(served, name, mac, mode):
    served.command("machine", "assign", mac, "--name", name, "--image", "win11", "--mode", mode)
    return Disk(name, boot(served, mac), bytes([IMAGE_BYTE] * 8))


class Snapshots:
    """Of two disks in use, until the server is killed; some are removed again."""

    def __init__(self, served, parked):
        self.served, self.count, self.parked = served, 0, parked

    def work(self, chance):
        for disk in (("kept",), ("data", "--volume")):
            self.count += 1
            if not self.done("create", disk[0], f"s{self.count}", *disk[1:]):
                return False
            if chance.random() < 0.5 and not self.done("remove", disk[0], f"s{self.count}", *disk[1:]):
                return False
        return chance.random() < 0.85 or self.done("flatten", "--most-files", "2")

    def work_until_killed(self, seed):
        chance = random.Random(seed)
        self.parked.move(chance, self.done)
        for _ in range(SNAPSHOTS_A_ROUND):
            if not self.work(chance):
                break

    def done(self, *words):
        """False: the server is not there any more. It has answered everything that it answers with success."""
        ended = subprocess.run([PROGRAM, "snapshot", *words, "--config", str(self.served.config)], capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 0 or self.served.process.poll() is not None or "ended the connection" in ended.stderr, (words, ended.stderr)
        return ended.returncode == 0 and self.served.process.poll() is None


class Parked:
    """A volume that nobody uses, with a snapshot of each of two contents."""
    NAME, BLOCKS = "parked", (0, 1, 700, 1500)  # in several payload blocks

    def __init__(self, served):
        self.may_be = self.write(served, 1)
        served.command("snapshot", "create", self.NAME, "1", "--volume")
        self.may_be = self.write(served, 2)
        served.command("snapshot", "create", self.NAME, "2", "--volume")
        self.moves, self.clone = 0, None

    def write(self, served, byte):
        session = Initiator(served, volume_access(self.NAME))
        for block in self.BLOCKS:
            assert session.command(struct.pack(">BBIxH", 0x2A, 0, block * 8, 8), data=bytes([byte]) * BLOCK)[0] == GOOD
        session.connection.close()
        return {byte}

    def contents(self, served, name):
        session = Initiator(served, volume_access(name))
        found = {session.command(struct.pack(">BBIxH", 0x28, 0, block * 8, 8), BLOCK)[1] for block in self.BLOCKS}
        session.connection.close()
        assert len(found) == 1, f"{name} holds pieces of both snapshots"
        data = found.pop()
        assert data == data[:1] * BLOCK
        return data[0]

    def move(self, chance, done):
        for _ in range(2):
            to = chance.choice((1, 2))
            self.may_be = self.may_be | {to}
            if not done("restore", self.NAME, str(to), "--volume"):
                return
            self.may_be = {to}
            self.moves += 1
        of = chance.choice((1, 2))
        name = f"of{of}-{self.moves}"
        if done("clone", self.NAME, str(of), "--volume", "--to-volume", name):
            self.clone = (name, of)

    def verify(self, served):
        found = self.contents(served, self.NAME)
        assert found in self.may_be, f"{self.NAME} holds {found}, it should hold one of {self.may_be}"
        self.may_be = {found}
        if self.clone:
            name, of = self.clone
            assert self.contents(served, name) == of, name


def kill_once(served, disks, snapshots, number, chance):
    failures = []

    def work(job, *arguments):
        try:
            job(*arguments)
        except BaseException as error:  # told by the main thread
            failures.append(error)

    readies = [threading.Event() for _ in disks]
    writers = [threading.Thread(target=work, args=(disk.write_until_killed, served, f"{SEED} {number} {disk.name}", ready)) for disk, ready in zip(disks, readies)]
    writers.append(threading.Thread(target=work, args=(snapshots.work_until_killed, f"{SEED} {number} snapshots")))
    for writer in writers:
        writer.start()
    for ready in readies:
        assert ready.wait(60)
    time.sleep(chance.uniform(0.05, 1.0))
    served.kill()
    for writer in writers:
        writer.join()
    assert not failures, failures
    served.start()
    for disk in disks:
        disk.verify(served)
    snapshots.parked.verify(served)
    served.kill()  # nobody uses the parked volume when the next round begins
    served.start()


def main():
    chance = random.Random(SEED)
    begun = time.monotonic()
    with server(volume("data") + volume(Parked.NAME)) as served:
        (served.folder / "win11.raw").write_bytes(bytes([IMAGE_BYTE]) * (32 << 20))
        served.command("image", "import", str(served.folder / "win11.raw"), "--name", "win11")
        disks = [machine_disk(served, "kept", "52:54:00:aa:00:01", "persistent"), machine_disk(served, "thrown", "52:54:00:aa:00:02", "reset"),
                 Disk("data", volume_access("data"))]
        snapshots = Snapshots(served, Parked(served))
        served.kill()
        served.start()
        for number in range(ROUNDS):
            kill_once(served, disks, snapshots, number, chance)
            done = ", ".join(f"{disk.name} {disk.acknowledged}" for disk in disks)
            print(f"round {number + 1} of {ROUNDS} after {time.monotonic() - begun:.0f} s: acknowledged writes {done}; {snapshots.count} snapshots, {snapshots.parked.moves} restored", flush=True)
        for disk in disks:
            assert disk.acknowledged > ROUNDS * 10, f"{disk.name}: {disk.acknowledged} writes: it did not die in the midst of work"
        assert snapshots.count >= ROUNDS, snapshots.count
        served.command("store", "check")


if __name__ == "__main__":
    main()
