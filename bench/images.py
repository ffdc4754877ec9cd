"""Disks below SCSI beside qemu-img on qcow2: writes, reads, chains, flushes, snapshots, publications, import. Run by scripts/bench --images.

    images.py BENCH_IMAGES ROOTSTOCK [--quick] [--folder FOLDER]
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

MIB = 1 << 20
BLOCK = 2 * MIB
DEPTHS = (1, 4, 16)


def run(*words):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


def seconds(work):
    before = time.monotonic()
    work()
    return time.monotonic() - before


def qemu_bench(image, count, *words):
    """Seconds of each of `count` requests of 4 KiB, one in each 2 MiB."""
    told = run("qemu-img", "bench", "-f", "qcow2", "-t", "writeback", "-c", count, "-d", 1, "-s", 4096, "-S", BLOCK, *words, image)
    return float(re.search(r"in ([\d.]+) seconds", told)[1]) / count


def qemu_child(base, child):
    run("qemu-img", "create", "-f", "qcow2", "-b", base, "-F", "qcow2", child)
    return child


def ours(program, folder, master, count):
    """{case: (seconds, writes, bytes, syncs), each of one operation}"""
    rows = (line.split() for line in run(program, folder, master, count).splitlines())
    return {row[0]: tuple(float(figure) / int(row[2]) for figure in (row[1], *row[3:])) for row in rows}


def depth_of_qemu(folder, base, depth, blocks):
    """A chain of `depth` files under an empty one: block b of the disk is in file b % depth."""
    top = base
    for layer in range(1, depth):
        top = qemu_child(top, folder / f"depth{depth}-{layer}.qcow2")
        qemu_bench(top, blocks // depth, "-w", "-o", MIB + layer * BLOCK, "-S", depth * BLOCK)
    return qemu_child(top, folder / f"depth{depth}.qcow2")


def theirs(folder, raw, count):
    if not shutil.which("qemu-img"):
        return {}
    base = folder / "base.qcow2"
    run("qemu-img", "convert", "-O", "qcow2", raw, base)
    child = qemu_child(base, folder / "child.qcow2")
    figures = {"first-write": qemu_bench(child, count, "-w"), "overwrite": qemu_bench(child, count, "-w"),
               "read-own": qemu_bench(child, count), "read-parent": qemu_bench(child, count, "-o", MIB)}
    figures["write-and-flush"] = qemu_bench(qemu_child(base, folder / "fresh.qcow2"), 200, "-w", "--flush-interval=1")
    for depth in DEPTHS:
        top = depth_of_qemu(folder, base, depth, count)
        figures[f"read-depth-{depth}"] = statistics.median(qemu_bench(top, count, "-o", MIB) for _ in range(3))
    figures["snapshot"] = statistics.median(seconds(lambda at=at: run("qemu-img", "snapshot", "-c", f"s{at}", child)) for at in range(5))
    return figures


def make_raw(path, blocks):
    """A disk with data in the second half of every block."""
    data = os.urandom(MIB)
    with path.open("wb") as file:
        for block in range(blocks):
            file.seek(block * BLOCK + MIB)
            file.write(data)


def micros(figure):
    return f"{figure * 1e6:.{1 if figure >= 1e-5 else 3}f} us"


def print_table(mine, other):
    print("| case | rootstock | writes, bytes, syncs each | qemu-img, qcow2 | ratio |\n|---|---|---|---|---|")
    for name, (figure, writes, size, syncs) in mine.items():
        counted = f"{writes:.2f}, {size:.0f}, {syncs:.2f}" if writes or syncs else ""
        beside = f"{micros(other[name])} | {figure / other[name]:.2f}x" if name in other else "|"
        print(f"| {name} | {micros(figure)} | {counted} | {beside} |")
    for deep in ("depth-16", "depth-16-by-4K"):
        for what in ("read", "look-up"):
            print(f"| {what}: {deep} over depth-1 | {mine[f'{what}-{deep}'][0] / mine[f'{what}-depth-1'][0]:.2f}x | | | |")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("bench_images")
    options.add_argument("rootstock")
    options.add_argument("--quick", action="store_true")
    options.add_argument("--folder", default=tempfile.gettempdir())
    given = options.parse_args()
    count = 256 if given.quick else 1024  # blocks of the disk, and I/Os of most cases: one in each
    folder = Path(tempfile.mkdtemp(prefix="rootstock-bench-", dir=given.folder))
    try:
        raw, master = folder / "disk.raw", folder / "master.vhdx"
        make_raw(raw, count)
        took = {"import": (seconds(lambda: run(given.rootstock, "image", "convert", raw, master)), None)}
        if shutil.which("qemu-img"):
            took["import"] = (took["import"][0], seconds(lambda: run("qemu-img", "convert", "-O", "vhdx", raw, folder / "qemu.vhdx")))
        mine, other = ours(given.bench_images, folder, master, count), theirs(folder, raw, count)
        print_table(mine, other)
        speed, beside = took["import"]
        print(f"| import | {count / speed:.0f} MiB/s | | " + (f"{count / beside:.0f} MiB/s (to VHDX) | {speed / beside:.2f}x |" if beside else "| |"))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
