#!/usr/bin/env python3
"""Measures the iSCSI target: server CPU per I/O, as a ratio to the floor of the same run, and beside tgt when it is installed.

    scripts/bench                # builds and runs everything: about three minutes
    bench/run.py --programs build/release/bench --quick

A case runs against every server in turn, several times, and the least CPU per I/O of each counts: other programs can only add to it.
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TARGET = "iqn.2026-01.net.rootstock:bench"
SPAN_MIB = 128

# title, options of bench_load, disks it makes sense for
CASES = [
    ("4 KiB random read, 1 session, queue 8", ["--queue", "8"], ("master", "overlay", "memory")),
    ("4 KiB random read, 1 session, queue 32", ["--queue", "32"], ("master", "overlay", "memory")),
    ("4 KiB random read, 1 session, queue 1", ["--queue", "1"], ("master", "overlay")),
    ("4 KiB random read, 64 sessions, queue 4", ["--sessions", "64", "--queue", "4"], ("master", "overlay")),
    ("64 KiB random read, 1 session, queue 8", ["--queue", "8", "--block", "65536"], ("master", "overlay", "memory")),
    ("64 KiB sequential read, 64 sessions", ["--sessions", "64", "--queue", "2", "--block", "65536", "--sequential"], ("master", "overlay")),
    ("256 KiB sequential read, 64 sessions", ["--sessions", "64", "--queue", "2", "--block", "262144", "--sequential"], ("master", "overlay")),
    ("4 KiB random read, queue 8, data digest", ["--queue", "8", "--digest"], ("master", "overlay")),
    ("4 KiB random write, 1 session, queue 32", ["--queue", "32", "--write"], ("overlay", "memory")),
]
LUNS = {"master": "0", "overlay": "1", "memory": "2"}
OVER_ONE_FILE, OVER_16_FILES = "3", "4"


class Process:
    """A server that says "port N" and ends when its input ends."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        first = self.process.stdout.readline().split()
        if first[:1] != ["port"]:
            sys.exit(f"{command[0]} does not start")
        self.port = first[1]
        self.pid = self.process.pid
        self.target = TARGET

    def stop(self):
        self.process.stdin.close()
        self.process.wait(30)


class Tgt:
    """tgtd with one disk in memory, on a control port and a portal of its own."""

    def __init__(self, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = str(probe.getsockname()[1])
        self.target = TARGET
        self.control = str(os.getpid() % 30000)  # its control socket is a file that all of the machine share
        self.process = subprocess.Popen(["tgtd", "-f", "-C", self.control, "--iscsi", f"portal=127.0.0.1:{self.port}"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = self.process.pid
        self.disk = Path(folder) / "tgt.raw"

    def configure(self):
        self.disk.write_bytes(os.urandom(1 << 20) * SPAN_MIB)
        time.sleep(1)
        self.admin("--op", "new", "--mode", "target", "--tid", "1", "-T", TARGET)
        self.admin("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "-b", str(self.disk))
        self.admin("--op", "bind", "--mode", "target", "--tid", "1", "-I", "ALL")

    def admin(self, *words):
        subprocess.run(["tgtadm", "-C", self.control, "--lld", "iscsi", *words], check=True)

    def stop(self):
        self.process.kill()  # it does not end on SIGTERM while it has targets
        self.process.wait()


def can_run_tgt():
    return shutil.which("tgtd") and shutil.which("tgtadm") and os.geteuid() == 0


def load_command(programs, server, lun, options, milliseconds):
    return [programs / "bench_load", "--port", server.port, "--target", server.target, "--lun", lun, "--server-pid", str(server.pid),
            "--span", str(SPAN_MIB), "--milliseconds", str(milliseconds), *options]


def load(*arguments):
    return json.loads(subprocess.run(load_command(*arguments), check=True, stdout=subprocess.PIPE, text=True, timeout=120).stdout)


def best(runs):
    return min(runs, key=lambda run: run["cpu_us"])


def measure_case(options, disks, servers, settings):
    """{column: result}; the servers take turns, so that a busy moment of the machine hits all of them."""
    columns = {disk: (servers["rootstock"], LUNS[disk]) for disk in disks}
    if "--write" not in options and "--digest" not in options:
        columns["floor"] = (servers["floor"], "0")
    if "tgt" in servers and "--digest" not in options:  # it negotiates them away
        columns["tgt"] = (servers["tgt"], "1")
    results = {column: [] for column in columns}
    for _ in range(settings.rounds):
        for column, (server, lun) in columns.items():
            results[column].append(load(settings.programs, server, lun, options, settings.milliseconds))
    return {column: best(runs) for column, runs in results.items()}


def row(title, results):
    floor = results.get("floor", {}).get("cpu_us")
    cells = []
    for column in ("floor", "master", "overlay", "memory", "tgt"):
        result = results.get(column)
        if not result:
            cells.append("")
            continue
        ratio = f" ({result['cpu_us'] / floor:.2f}x)" if floor and column != "floor" else ""
        cells.append(f"{result['cpu_us']:.2f}{ratio}; {result['iops'] / 1000:.0f} K")
    return "| " + " | ".join([title, *cells]) + " |"


def print_table(servers, settings):
    print("Server CPU in microseconds per I/O (ratio to the floor); I/O per second.\n")
    print("| case | floor | master | overlay | memory | tgt |\n|---|---|---|---|---|---|")
    for title, options, disks in CASES:
        print(row(title, measure_case(options, disks, servers, settings)), flush=True)


def print_chains(server, settings):
    """Empty overlays over one file and over 16, which are mixed by 64 KiB."""
    print("\n| random reads of an empty overlay | over 1 file | over 16 files | ratio |\n|---|---|---|---|", flush=True)
    for title, options in (("4 KiB, queue 1", ["--queue", "1"]), ("4 KiB, queue 32", ["--queue", "32"]), ("64 KiB, queue 8", ["--queue", "8", "--block", "65536"])):
        results = {OVER_ONE_FILE: [], OVER_16_FILES: []}
        for _ in range(settings.rounds):
            for lun, runs in results.items():
                runs.append(load(settings.programs, server, lun, options, settings.milliseconds))
        one, many = (best(runs)["cpu_us"] for runs in results.values())
        print(f"| {title} | {one:.2f} us | {many:.2f} us | {many / one:.2f}x |", flush=True)


def print_sessions(servers, settings):
    print("\n| case | rootstock | tgt |\n|---|---|---|", flush=True)
    shown = [server for server in ("rootstock", "tgt") if server in servers]
    luns = {"rootstock": "2", "tgt": "1"}
    logins = [load(settings.programs, servers[server], luns[server], ["--logins", "--sessions", "256"], 0) for server in shown]
    print("| 256 logins at once | " + " | ".join(f"{result['logins_per_second']:.0f} a second" for result in logins) + " |")
    idle = load(settings.programs, servers["rootstock"], "2", ["--idle", "--sessions", "1024"], 2000)
    print(f"| 1,024 idle sessions | {idle['bytes_per_session'] / 1024:.1f} KiB each, {idle['cpu_percent']:.2f} % of a core | |")
    print_fairness(servers["rootstock"], settings)


def print_fairness(server, settings):
    """A modest session alone, then beside one that never reads its answers and one with 128 commands in flight. Their load generators give way to
    the modest one's (nice), so that it is the server's fairness that is seen."""
    modest = ["--queue", "1"]
    quiet = load(settings.programs, server, LUNS["master"], modest, settings.milliseconds)
    with contextlib.ExitStack() as stack:
        for options in (["--stall", "--queue", "128", "--block", "262144"], ["--queue", "128", "--block", "65536"]):
            command = load_command(settings.programs, server, LUNS["master"], options, settings.milliseconds + 2000)
            neighbour = subprocess.Popen(["nice", "-n", "19", *command], stdout=subprocess.DEVNULL)
            stack.callback(neighbour.wait)
            stack.callback(neighbour.terminate)
        time.sleep(0.5)
        beside = load(settings.programs, server, LUNS["master"], modest, settings.milliseconds)
    print(f"| queue 1, p99: alone, beside a greedy and a stalled session | {quiet['p99_us']:.0f} us, {beside['p99_us']:.0f} us "
          f"({beside['p99_us'] / quiet['p99_us']:.1f}x) | |")


def machine():
    model = next((line.partition(":")[2].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")), "?")
    return f"{os.cpu_count()} cores of {model}, Linux {platform.release()}"


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the servers end with us
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, default=Path("build/release/bench"))
    parser.add_argument("--milliseconds", type=int, default=1500, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one short round: does it work?")
    parser.add_argument("--chains", action="store_true", help="only the reads over chains of files")
    settings = parser.parse_args()
    if settings.quick:
        settings.milliseconds, settings.rounds = 300, 1
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rootstock-bench-"))
        servers = {}

        def start(name, make, *arguments):
            servers[name] = make(*arguments)
            stack.callback(servers[name].stop)

        start("rootstock", Process, [settings.programs / "bench_server", folder, str(SPAN_MIB)])
        if settings.chains:
            print(machine() + "\n")
            return print_chains(servers["rootstock"], settings)
        start("floor", Process, [settings.programs / "bench_floor"])
        if can_run_tgt():
            start("tgt", Tgt, folder)
            servers["tgt"].configure()
        else:
            print("tgt is left out: it needs root and the package tgt\n")
        print(machine() + "\n")
        print_table(servers, settings)
        print_sessions(servers, settings)
        print_chains(servers["rootstock"], settings)


if __name__ == "__main__":
    main()
