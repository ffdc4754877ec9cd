#!/usr/bin/env python3
"""Runs libiscsi's conformance suite (iscsi-test-cu, package libiscsi-bin) against an iSCSI unit, one process per test.

    iscsi_test_cu.py --server build/release/rootstock        # starts a server with volumes of its own, on a free port
    iscsi_test_cu.py --target build/release/tests/integration/memory_target --unit cdrom    # a unit that no volume is
    iscsi_test_cu.py --url iscsi://10.0.0.1:3260/iqn.../0    # against a unit that is there; ITS CONTENTS ARE DESTROYED
    iscsi_test_cu.py --server ... --only 'ProutReserve'      # a regular expression

A test passes, is skipped by the suite, or fails (also: crashes, or takes longer than the time-out). expected.txt, or expected-UNIT.txt, lists
what may be skipped or fail, each with the reason, and may say which tests are run. Everything else must pass; a listed failure that passes is a
failure of the list. Exit code 0 only then. With --logs it also counts the tests that passed in any run that logged to the same folder.
"""

import argparse
import concurrent.futures
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

TOOL = "iscsi-test-cu"
SKIPPED_EXIT = 77  # what CTest is told when the suite is not installed
FOLDER = Path(__file__).parent
TARGET_IQN = "iqn.2026-01.test.rootstock:disk0"  # of memory_target
# The suite wants a second path of disks alone; the first blocks of the rest cannot be cleared.
PATHS = {"disk": 2, "removable": 2, "read-only": 2, "cdrom": 1}
WRITABLE = {"disk", "removable"}
IQN = "iqn.2026-01.net.rootstock.conformance"
INITIATORS = [f"iqn.2026-01.net.rootstock.initiator:{number}" for number in (1, 2)]


@dataclass
class Outcome:
    test: str
    state: str  # pass, skip, fail
    detail: str
    seconds: float


def list_tests():
    """Names of three parts: FAMILY.SUITE.TEST. The families repeat the same tests; each is run once, under the first name."""
    text = subprocess.run([TOOL, "--list"], capture_output=True, text=True, check=True).stdout
    names, seen = [], set()
    for name in re.findall(r"^\s*(\w+\.[\w-]+\.[\w-]+)\s*$", text, re.MULTILINE):
        suite_and_test = name.partition(".")[2]
        if suite_and_test not in seen:
            seen.add(suite_and_test)
            names.append(name)
    return names


def read_expected(path):
    """{test: (state, reason)} from lines "state Suite.Test reason", and the regular expression of a line "run EXPRESSION"."""
    expected, run = {}, ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("run "):
            run = line.partition(" ")[2]
            continue
        state, test, reason = line.split(maxsplit=2)
        if state not in ("skip", "fail"):
            sys.exit(f"{path}:{number}: a line starts with run, skip or fail")
        expected[test] = (state, reason)
    return expected, run


def judge(returncode, output):
    """What a run of one test says. Before the suite begins, the tool looks at the unit and complains of what it does not have."""
    output = output[max(output.find("\nSuite: "), 0):]
    summary = re.search(r"^\s*asserts\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)", output, re.MULTILINE)
    tests = re.search(r"^\s*tests\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)", output, re.MULTILINE)
    if not summary or not tests or returncode < 0:
        return "fail", f"the suite ended with {returncode} and no summary"
    if int(tests[2]) == 0:
        return "fail", "no such test"
    failed = int(tests[4]) or int(summary[4])
    if failed:
        lines = [line.strip() for line in output.splitlines() if "[FAILED]" in line or re.search(r"\d+\. \S+\.c:\d+", line)]
        return "fail", "; ".join(lines[:4]) or f"{failed} assertions"
    skipped = re.search(r"\[SKIPPED\]\s*(.*)", output)
    return ("skip", skipped[1].strip()) if skipped else ("pass", "")


def clear(url):
    """Makes the unit's first blocks read as zeros: MultipathIO.CompareAndWrite of version 1.19 compares one block more than it has initialised."""
    cleared = subprocess.run(["qemu-io", "-f", "raw", "-c", "write -z 0 1M", url], capture_output=True, text=True, timeout=60, check=False)
    if cleared.returncode != 0:
        sys.exit(f"cannot clear {url} before a test:\n{cleared.stdout}{cleared.stderr}")


def run_test(name, urls, writable, timeout, log_folder):
    if writable:
        clear(urls[0])
    command = [TOOL, "--dataloss", "--fail", "--verbose", "--test", name]
    for option, initiator in zip(("-i", "-I"), INITIATORS):
        command += [option, initiator]
    started = time.monotonic()
    try:
        finished = subprocess.run(command + urls, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                  timeout=timeout, check=False)
        output = finished.stdout.decode(errors="replace")
        state, detail = judge(finished.returncode, output)
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode(errors="replace")
        state, detail = "fail", f"no end after {timeout} s"
    if log_folder:
        (log_folder / f"{name}.log").write_text(output, encoding="utf-8")
    return Outcome(name.partition(".")[2], state, detail, time.monotonic() - started)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server of our own with `count` volumes, in a folder that is removed."""

    def __init__(self, binary, count):
        self.binary = binary
        self.folder = Path(tempfile.mkdtemp(prefix="rootstock-conformance-"))
        self.port = free_port()
        volumes = "".join(f'[[volume]]\nname = "v{number}"\nsize = "64M"\ninitiators = ["*"]\n\n' for number in range(count))
        self.config = self.folder / "rootstock.toml"
        self.config.write_text(
            f'[server]\ninterface = "lo"\ndata = "{self.folder}/data"\n\n[dhcp]\nmode = "off"\n\n'
            f'[http]\nport = {free_port()}\n\n[iscsi]\nport = {self.port}\niqn_prefix = "{IQN}"\n\n{volumes}',
            encoding="utf-8")
        self.log = (self.folder / "server.log").open("wb")
        self.process = subprocess.Popen([self.binary, "serve", "--config", self.config], stdout=self.log, stderr=self.log)
        self.wait_until_it_serves()

    def wait_until_it_serves(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            if " server.started " in self.last_words():
                return
            time.sleep(0.05)
        self.stop()
        sys.exit("the server does not start:\n" + self.last_words())

    def last_words(self):
        return (self.folder / "server.log").read_text(errors="replace")[-4000:]

    def url(self, number):
        return f"iscsi://127.0.0.1:{self.port}/{IQN}:volume.v{number}/0"

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def remove(self):
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def run_all(names, urls, options):
    """`urls`: one unit per worker. Tests of one unit run one after the other, for they reserve and reset it."""
    paths, writable = PATHS[options.unit], options.unit in WRITABLE
    queue = list(reversed(names))
    outcomes = []

    def work(url):
        while queue:
            outcomes.append(run_test(queue.pop(), [url] * paths, writable, options.timeout, options.logs))

    with concurrent.futures.ThreadPoolExecutor(len(urls)) as pool:
        for done in [pool.submit(work, url) for url in urls]:
            done.result()
    return sorted(outcomes, key=lambda outcome: outcome.test)


class MemoryTarget:
    """The small target with one unit in memory, which ends with our end of its input."""

    def __init__(self, binary, unit):
        self.process = subprocess.Popen([binary, "--unit", unit], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.port = int(self.process.stdout.readline())

    def url(self, _):
        return f"iscsi://127.0.0.1:{self.port}/{TARGET_IQN}/0"

    def last_words(self):
        return ""

    def stop(self):
        self.process.communicate(timeout=20)

    def remove(self):
        pass


def count_all_passed(outcomes, unit, folder):
    """Over the runs that logged to this folder: how many tests have passed against one unit or another."""
    passed = sorted(outcome.test for outcome in outcomes if outcome.state == "pass")
    (folder / f"passed-{unit}.txt").write_text("".join(f"{test}\n" for test in passed), encoding="utf-8")
    union = {test for path in folder.glob("passed-*.txt") for test in path.read_text(encoding="utf-8").split()}
    print(f"{len(union)} of the suite's {len(list_tests())} tests have passed against one unit or another")


def report(outcomes, expected, complete):
    """Prints what needs a look; the number of surprises."""
    surprises = []
    for outcome in outcomes:
        allowed, reason = expected.get(outcome.test, ("pass", ""))
        if outcome.state != allowed:
            surprises.append(f"{outcome.test}: expected {allowed}, was {outcome.state}: {outcome.detail or reason}")
    if complete:
        run = {outcome.test for outcome in outcomes}
        surprises += [f"{test}: expected, but not run" for test in sorted(expected.keys() - run)]
    count = {state: sum(outcome.state == state for outcome in outcomes) for state in ("pass", "skip", "fail")}
    print(f"{len(outcomes)} tests: {count['pass']} passed, {count['skip']} skipped, {count['fail']} failed; {len(surprises)} not as expected")
    print("\n".join(surprises))
    return len(surprises)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--server", help="the rootstock binary")
    target.add_argument("--target", help="the memory_target binary")
    target.add_argument("--url", action="append", help="a unit to test; more than one: in parallel")
    parser.add_argument("--unit", choices=sorted(PATHS), default="disk", help="the kind of unit; --target makes one")
    parser.add_argument("--only", default="", help="run the tests whose name matches this regular expression")
    parser.add_argument("--timeout", type=float, default=60, help="seconds per test")
    parser.add_argument("--jobs", type=int, default=2, help="volumes tested in parallel, with --server")
    parser.add_argument("--logs", type=Path, help="keep the output of each test here")
    options = parser.parse_args()
    for tool, packages in ((TOOL, "libiscsi-bin"), ("qemu-io", "qemu-utils and qemu-block-extra")):
        if not shutil.which(tool):
            print(f"{tool} is not installed (package {packages})")
            return SKIPPED_EXIT
    if options.logs:
        options.logs.mkdir(parents=True, exist_ok=True)
    expected, run = read_expected(FOLDER / ("expected.txt" if options.unit == "disk" else f"expected-{options.unit}.txt"))
    names = [name for name in list_tests() if re.search(options.only, name) and re.search(run, name)]
    server, urls = None, options.url
    if options.server:
        server = Server(options.server, options.jobs)
        urls = [server.url(number) for number in range(options.jobs)]
    elif options.target:
        server = MemoryTarget(options.target, options.unit)
        urls = [server.url(0)]
    try:
        outcomes = run_all(names, urls, options)
        surprises = report(outcomes, expected, not options.only)
        if options.logs and not options.only:
            count_all_passed(outcomes, options.unit, options.logs)
        if server and server.process.poll() is not None:
            surprises += 1
            print(f"the server ended by itself with {server.process.returncode}:\n{server.last_words()}")
    finally:
        if server:
            server.stop()
            server.remove()
    return 1 if surprises else 0


if __name__ == "__main__":
    sys.exit(main())
