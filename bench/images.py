"""Disks below SCSI beside qemu-img on qcow2: first write, overwrite, reads, flushes, import. Run by scripts/bench --images.

    images.py BENCH_IMAGES ROOTSTOCK [--quick] [--folder FOLDER]
"""

import argparse
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

MIB = 1 << 20
DISK = 8 << 30


def run(*words):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


def seconds(work):
    before = time.monotonic()
    work()
    return time.monotonic() - before


def qemu_bench(image, count, *words):
    """Seconds of `count` requests of 4 KiB, one in each 2 MiB."""
    told = run("qemu-img", "bench", "-f", "qcow2", "-t", "writeback", "-c", count, "-d", 1, "-s", 4096, "-S", 2 * MIB, *words, image)
    return float(re.search(r"in ([\d.]+) seconds", told)[1])


def ours(program, folder, master, count):
    rows = (line.split() for line in run(program, folder, master, count).splitlines())
    return {name: float(took) / int(operations) for name, took, operations in rows}


def theirs(folder, raw, count):
    if not shutil.which("qemu-img"):
        return {}
    base, child = folder / "base.qcow2", folder / "child.qcow2"
    run("qemu-img", "convert", "-O", "qcow2", raw, base)
    run("qemu-img", "create", "-f", "qcow2", "-b", base, "-F", "qcow2", child)
    figures = {"first-write": qemu_bench(child, count, "-w") / count, "overwrite": qemu_bench(child, count, "-w") / count,
               "read-own": qemu_bench(child, count) / count, "read-parent": qemu_bench(child, count, "-o", MIB) / count}
    fresh = folder / "fresh.qcow2"
    run("qemu-img", "create", "-f", "qcow2", "-b", base, "-F", "qcow2", fresh)
    figures["write-and-flush"] = qemu_bench(fresh, 200, "-w", "--flush-interval=1") / 200
    return figures


def main():
    options = argparse.ArgumentParser()
    options.add_argument("bench_images")
    options.add_argument("rootstock")
    options.add_argument("--quick", action="store_true")
    options.add_argument("--folder", default=tempfile.gettempdir())
    given = options.parse_args()
    count = 500 if given.quick else 4000
    folder = Path(tempfile.mkdtemp(prefix="rootstock-bench-", dir=given.folder))
    try:
        raw, master = folder / "disk.raw", folder / "master.vhdx"
        data = 128 * MIB if given.quick else 1024 * MIB
        with raw.open("wb") as file:
            block = os.urandom(MIB)
            for at in range(data // MIB):
                file.seek(at * (DISK // data) * MIB)
                file.write(block)
            file.truncate(DISK)
        took = {"import": (seconds(lambda: run(given.rootstock, "image", "convert", raw, master)), None)}
        if shutil.which("qemu-img"):
            took["import"] = (took["import"][0], seconds(lambda: run("qemu-img", "convert", "-O", "vhdx", raw, folder / "qemu.vhdx")))
        mine, other = ours(given.bench_images, folder, master, count), theirs(folder, raw, count)
        print("| case | rootstock | qemu-img, qcow2 | ratio |\n|---|---|---|---|")
        for name, figure in mine.items():
            beside = f"{other[name] * 1e6:.1f} us | {figure / other[name]:.2f}x" if name in other else "|"
            print(f"| {name} | {figure * 1e6:.1f} us | {beside} |")
        speed, beside = took["import"]
        print(f"| import | {data / MIB / speed:.0f} MiB/s | " + (f"{data / MIB / beside:.0f} MiB/s (to VHDX) | {speed / beside:.2f}x |" if beside else "| |"))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
