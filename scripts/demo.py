"""The play of scripts/demo: see there. Its network, PCs and server are those of the end-to-end tests (tests/e2e/rig)."""

import argparse
import os
import re
import signal
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/e2e"))

from rig.network import Network  # noqa: E402
from rig.pc import Pc, clean  # noqa: E402
from rig.server import Server  # noqa: E402

MACHINE, IMAGE = "lab1-01", "linux"
FIRST, SECOND = "52:54:00:aa:00:01", "52:54:00:bb:00:02"
NOTE = "/root/thesis.txt"

BOLD, DIM, GREEN, PLAIN = ("\033[1m", "\033[2m", "\033[32m", "\033[0m") if sys.stdout.isatty() else ("", "", "", "")

# What each stage of a boot means to somebody who sees it for the first time.
STAGES = {
    "discover": "asks for an address (DHCP)",
    "offer": "is offered one",
    "loader": "loads iPXE",
    "script": "iPXE gets its script (HTTP)",
    "login": "iPXE opens its disk (iSCSI)",
    "first_read": "reads the first sector",
    "os_login": "the operating system opens the disk",
    "running": "the operating system writes: it runs",
}


def title(text):
    print(f"\n{BOLD}== {text}{PLAIN}", flush=True)


def say(text):
    print(f"   {text}", flush=True)


class StagePrinter:
    """Prints the stages of a machine's boot while they happen, until it is told to stop."""

    def __init__(self, server, after_boot=0):
        self._server = server
        self._after_boot = after_boot
        self._stop = threading.Event()
        self._shown = 0
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self):
        while not self._stop.is_set():
            self._show()
            self._stop.wait(0.2)

    def _show(self):
        boot = self._server.machine(MACHINE)["boot"]
        if boot is None or boot["id"] <= self._after_boot:
            return
        for stage in boot["stages"][self._shown:]:
            say(f"{DIM}{stage['after_ms'] / 1000:7.2f} s{PLAIN}  {STAGES.get(stage['stage'], stage['stage']):38} {DIM}{stage['detail']}{PLAIN}")
        self._shown = len(boot["stages"])

    def finish(self):
        """To the machine's last stage; gives the boot's number."""
        self._server.wait_for_state(MACHINE, "running")
        self._stop.set()
        self._thread.join()
        self._show()
        return self._server.machine(MACHINE)["boot"]["id"]


def show_banner(pc):
    """The guest's last words before it waits for a user: its login banner."""
    pc.wait_for(r"\S+ login: ", 60)
    for line in clean(pc.console.text()).splitlines()[-3:]:
        if line.strip():
            say(f"{GREEN}| {line}{PLAIN}")


def megabytes(path):
    return os.stat(path).st_blocks * 512 / 1e6


class Demo:
    def __init__(self, options, directory):
        self.options = options
        self.directory = directory
        self.network = Network(f"rs-demo-{os.getpid()}")
        self.pcs = []
        self.server = Server(self.network, directory, options.rootstock)

    def close(self):
        for pc in self.pcs:
            pc.power_off()
        self.server.kill()
        self.network.remove()

    def pc(self, mac, name):
        pc = Pc(self.network, mac, self.directory, name=name)
        self.pcs.append(pc)
        return pc

    def play(self):
        self.start_server()
        first, second = self.pc(FIRST, "first PC"), self.pc(SECOND, "second PC")
        boot, first_seconds = self.first_boot(first)
        self.failure(first, second)
        second_seconds = self.second_boot(second, boot)
        self.summary(first_seconds, second_seconds)

    def start_server(self):
        title("A server, and one master image")
        self.server.import_image(self.options.guest, IMAGE)
        self.server.start()
        image, = self.server.cli("image", "list")["images"]
        say(f"image {IMAGE}: a Linux system disk of {image['size_bytes'] / 1e6:.0f} MB, stored once in {image['stored_bytes'] / 1e6:.0f} MB")
        self.page = self.network.wire_to_host()
        say(f"web page: {self.page}")

    def first_boot(self, pc):
        title(f"A PC without a disk is switched on: {pc.mac}")
        self.server.cli("machine", "assign", pc.mac, "--name", MACHINE, "--image", IMAGE)
        say(f"$ rootstock machine assign {pc.mac} --name {MACHINE} --image {IMAGE}")
        pc.power_on()
        stages = StagePrinter(self.server)
        ready = pc.wait_ready(300)
        boot = stages.finish()
        show_banner(pc)
        say(f"Up {ready['seconds']:.0f} s after the power button. Its owner writes a file:")
        pc.log_in()
        pc.run(f"echo 'The work of years, written on {pc.mac}' > {NOTE}; sync")
        say(f"{MACHINE}# cat {NOTE}")
        say(f"{GREEN}| {pc.run(f'cat {NOTE}')}{PLAIN}")
        return boot, ready["seconds"]

    def failure(self, first, second):
        title("It dies. Another PC is put on its desk")
        first.power_off()
        say(f"{first.mac} is off.")
        second.power_on()
        second.wait_for(re.escape(second.mac), 120)
        deadline = time.monotonic() + 60
        while not any(pc["waiting"] for pc in self.server.cli("machine", "list")["unknown"]):
            assert time.monotonic() < deadline, "the second PC is not listed as waiting"
            time.sleep(0.2)
        say(f"{second.mac} is on. Nobody knows it, so it shows its address on its screen and waits.")

    def second_boot(self, pc, boot):
        title("One command")
        say(f"$ rootstock machine replace {MACHINE} --with {pc.mac}")
        position, begun = pc.console.position, time.monotonic()
        self.server.cli("machine", "replace", MACHINE, "--with", pc.mac)
        stages = StagePrinter(self.server, boot)
        pc.wait_for(r"Registered SAN device|Booting from SAN device", 60, position)
        say(f"It goes on by itself after {time.monotonic() - begun:.1f} s, without being switched off and on.")
        pc.wait_ready(300)
        seconds = time.monotonic() - begun
        stages.finish()
        show_banner(pc)
        pc.log_in()
        found = pc.run(f"cat {NOTE}")
        say(f"{MACHINE}# cat {NOTE}")
        say(f"{GREEN}| {found}{PLAIN}")
        assert FIRST in found, "the second PC did not find the first one's file"
        return seconds

    def summary(self, first_seconds, second_seconds):
        title("That was it")
        master, = (self.server.data / "images").rglob("*.vhdx")
        overlay, = (self.server.data / "overlays").glob("*.vhdx")
        say(f"first PC up {first_seconds:.0f} s after its power button; its replacement {second_seconds:.0f} s after the command")
        say(f"on the server: one master of {megabytes(master):.0f} MB, and {megabytes(overlay):.0f} MB for what is {MACHINE}'s own")
        with urllib.request.urlopen(self.page, timeout=10) as page:
            assert b"<html" in page.read().lower(), "the web page is no page"
        if self.options.once:
            return
        say(f"{BOLD}See it on the web page: {self.page}   (Ctrl-C ends the demo and removes everything){PLAIN}")
        while all(pc.on for pc in self.pcs[1:]):
            time.sleep(1)
        say("The PC was switched off.")


def main():
    parser = argparse.ArgumentParser(description="The play of scripts/demo")
    parser.add_argument("--rootstock", required=True, type=Path)
    parser.add_argument("--guest", required=True, type=Path)
    parser.add_argument("--once", action="store_true")
    options = parser.parse_args()
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="rootstock-demo-", dir="/var/tmp") as directory:
        demo = Demo(options, Path(directory))
        try:
            demo.play()
        except KeyboardInterrupt:
            print()
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave things behind
            demo.close()
            say("Everything is removed again.")


if __name__ == "__main__":
    main()
