"""A PC without a disk: QEMU with a network card and nothing else, its serial console in a file."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from .console import Console

# All tests wait this many times longer than a quiet two-core machine needs.
PATIENCE = float(os.environ.get("E2E_PATIENCE", "1"))

OVMF = Path("/usr/share/OVMF")
# "-cpu max" is slow without KVM: the guest then clears its memory byte by byte (ERMS).
CPU = "qemu64,-svm,+ssse3,+sse4.1,+sse4.2,+popcnt,+rdrand"
READY = r"GUEST-READY host=(?P<host>\S+) boots=(?P<boots>\d+) mac=(?P<mac>\S+) ip=(?P<ip>\S+) firmware=(?P<firmware>\S+) " \
        r"target=(?P<target>\S+) initiator=(?P<initiator>\S+) up=(?P<up>\S+)"
# What no boot of ours may say on its way.
BROKEN = r"GUEST-FAILED.*|Kernel panic.*|Boot failed.*|No bootable device"


class Pc:
    """firmware: "bios" (SeaBIOS, the card's ROM is iPXE) or "uefi" (EDK2's own PXE) or "uefi-http" (EDK2's HTTP boot)."""

    def __init__(self, network, mac, directory, firmware="bios", memory_mib=256, name=None):
        self.mac = mac
        self.name = name or f"pc-{mac[-2:]}"
        self.firmware = firmware
        self.memory_mib = memory_mib
        self.network = network
        self.directory = Path(directory)
        self.tap = network.add_tap()
        self.process = None
        self.console = None
        self.started = None
        self.boots = 0

    def power_on(self):
        assert self.process is None, f"{self.name} is already on"
        self.boots += 1
        log = self.directory / f"{self.name}.boot{self.boots}.serial.log"
        self.started = time.monotonic()
        self.process = subprocess.Popen(self.network.command(*self._qemu()), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.console = Console(self.name, self.process.stdout, log)
        return self

    def power_off(self):
        """As if the plug were pulled."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process = None

    @property
    def on(self):
        return self.process is not None and self.process.poll() is None

    def _qemu(self):
        words = ["qemu-system-x86_64", "-nodefaults", "-accel", "tcg,thread=multi", "-cpu", CPU, "-m", str(self.memory_mib), "-smp", "1",
                 "-display", "none", "-vga", "std", "-no-reboot", "-serial", "stdio", "-device", "virtio-rng-pci",
                 "-netdev", f"tap,id=net0,ifname={self.tap},script=no,downscript=no"]
        return words + self._boot(f"virtio-net-pci,netdev=net0,mac={self.mac},bootindex=1")

    def _boot(self, card):
        """The machine and what starts it."""
        if self.firmware == "bios":
            return ["-machine", "q35,graphics=off", "-device", card]
        # Without an empty romfile QEMU's own iPXE would take the card, and EDK2's PXE would never be seen.
        words = ["-machine", "q35", "-device", card + ",romfile=", *self._flash()]
        if self.firmware == "uefi-http":
            for name in ("IPv4PXESupport", "IPv6PXESupport"):
                words += ["-fw_cfg", f"name=opt/org.tianocore/{name},string=n"]
        return words

    def _flash(self):
        variables = self.directory / f"{self.name}.nvram"
        if not variables.exists():
            shutil.copy(OVMF / "OVMF_VARS_4M.fd", variables)
        return ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF / 'OVMF_CODE_4M.fd'}",
                "-drive", f"if=pflash,format=raw,unit=1,file={variables}"]

    # --- what it shows

    def wait_for(self, pattern, seconds=120, start=0, failure=None):
        return self.console.wait_for(pattern, seconds * PATIENCE, start, failure)

    def wait_ready(self, seconds=150):
        """Until the guest says that it is up; gives what it says of itself."""
        ready = self.wait_for(READY, seconds, failure=BROKEN).groupdict()
        ready["boots"] = int(ready["boots"])
        ready["seconds"] = time.monotonic() - self.started
        return ready

    # --- what is typed there

    def log_in(self):
        """Root, who needs no password, on the serial console."""
        self.wait_for(r"\S+ login: ", 60)
        start = self.console.position
        self._type("root")
        self.wait_for(r"[#$] (\x1b\[6n)?$", 60, start)

    def run(self, command, seconds=60):
        """Types a shell command and gives what it printed; it must succeed."""
        start = self.console.position
        # The quotes keep the echo of what is typed from looking like the answer.
        self._type(f"echo 'BEG''IN'; {command}; echo 'EN''D' $?")
        answer = self.wait_for(r"BEGIN\r?\n((?s:.*?))END (\d+)", seconds, start)
        output = answer[1].replace("\r", "")
        assert answer[2] == "0", f"{self.name}: {command!r} ended with {answer[2]}: {output}"
        return output.strip()

    def start(self, command):
        """Types a shell command and leaves it running in the background."""
        self.run(f"{command} < /dev/null > /dev/null 2>&1 & sleep 0")

    def _type(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()


def clean(text):
    """Console text without control sequences."""
    return re.sub(r"\x1b\[[0-9;?=]*[A-Za-z]|\r", "", text)
