"""A Rootstock server in a network, as an administrator has it: a configuration file, a data directory, one process, and the command line."""

import json
import re
import signal
import subprocess
import time
from pathlib import Path

from .console import Console
from .network import BRIDGE, SERVER_ADDRESS

IQN_PREFIX = "iqn.2026-01.internal.rootstock"


class CommandFailed(AssertionError):
    def __init__(self, words, finished):
        super().__init__(f"{' '.join(map(str, words))} ended with {finished.returncode}\n{finished.stdout}{finished.stderr}")
        self.code = finished.returncode
        self.message = finished.stderr.strip()


class Server:
    """`sections`: what is added to the configuration file after [server]."""

    def __init__(self, network, directory, binary, sections="", interface=BRIDGE):
        self.network = network
        self.directory = Path(directory)
        self.binary = Path(binary)
        self.data = self.directory / "data"
        self.config = self.directory / "rootstock.toml"
        self.data.mkdir(exist_ok=True)
        self.configure(sections, interface)
        self.process = None
        self.log = None
        self.starts = 0

    def configure(self, sections, interface=BRIDGE):
        self.config.write_text(f'[server]\ninterface = "{interface}"\ndata = "{self.data}"\n\n{sections}\n')

    # --- the process

    def launch(self, prefix=()):
        """Starts `rootstock serve` without waiting for it. `prefix`: a program that starts it (setpriv)."""
        assert self.process is None, "the server runs already"
        self.starts += 1
        words = [*prefix, self.binary, "serve", "--config", self.config]
        self.process = subprocess.Popen(self.network.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.log = Console("rootstock serve", self.process.stdout, self.directory / f"server.start{self.starts}.log")

    def start(self, seconds=30, prefix=()):
        self.launch(prefix)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                self.log.wait_for(r"(?!)", 1)  # fails with what the server said
            if self._run("status", "--json").returncode == 0:
                return self
            time.sleep(0.1)
        raise AssertionError(f"the server did not answer within {seconds} s\n{self.log.text()[-3000:]}")

    def wait_ended(self, seconds=30):
        """Waits for a server that must not live; gives its exit code and what it said, but for events of the log below warnings."""
        code = self.process.wait(seconds)
        self.process = None
        deadline = time.monotonic() + 5
        while not self.log.ended and time.monotonic() < deadline:
            time.sleep(0.01)
        return code, re.sub(r"(?m)^\S+Z (trace|debug|info) .*\n", "", self.log.text())

    def stop(self, seconds=30):
        """SIGTERM: an orderly end."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            code = self.process.wait(seconds)
            self.process = None
            assert code == 0, f"the server ended with {code}\n{self.log.text()[-3000:]}"
        self.process = None

    def kill(self):
        """SIGKILL: it has no chance to say or write anything more."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    # --- the command line

    def _run(self, *words):
        return self.network.run(self.binary, *words, "--config", self.config, timeout=120)

    def cli(self, *words):
        """Runs a command that must succeed and gives its JSON."""
        finished = self._run(*words, "--json")
        if finished.returncode != 0:
            raise CommandFailed(words, finished)
        return json.loads(finished.stdout) if finished.stdout.strip() else None

    def text(self, *words):
        """Runs a command that must succeed and gives what it prints for people."""
        finished = self._run(*words)
        if finished.returncode != 0:
            raise CommandFailed(words, finished)
        return finished.stdout

    def locked_bytes(self):
        """How much memory the process has locked."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^VmLck:\s*(\d+) kB$", status, re.MULTILINE)[1]) * 1024

    def refused(self, *words):
        """Runs a command that must fail and gives its one line of explanation."""
        finished = self._run(*words)
        assert finished.returncode != 0, f"{words} succeeded: {finished.stdout}"
        return finished.stderr.strip()

    def import_image(self, file, name):
        finished = self._run("image", "import", file, "--name", name)
        if finished.returncode != 0:
            raise CommandFailed(["image", "import"], finished)

    def machine(self, name):
        return self.cli("machine", "show", name)

    def stages(self, name):
        """The last boot's stages: {"script": {"after_ms": .., "detail": ..}, ...}."""
        boot = self.machine(name)["boot"]
        return {stage["stage"]: stage for stage in (boot["stages"] if boot else [])}

    def wait_for_state(self, name, state, seconds=30):
        deadline = time.monotonic() + seconds
        while (machine := self.machine(name))["state"] != state:
            assert time.monotonic() < deadline, f"{name} is {machine['state']}, not {state}: {json.dumps(machine['boot'], indent=1)}"
            time.sleep(0.2)
        return machine

    # --- what the network sees of it

    def url(self, path, port=8080):
        return f"http://{SERVER_ADDRESS}:{port}{path}"

    def fetch(self, path, seconds=30):
        """GET from inside the network, as a PC would."""
        finished = self.network.run("curl", "-sS", "--fail", "--max-time", seconds, self.url(path))
        assert finished.returncode == 0, f"GET {path}: {finished.stderr}"
        return finished.stdout

    def boot_script(self, mac):
        """The values that a PC's iPXE would be given for its disk: it is a new boot, with a secret of its own."""
        script = self.fetch(f"/boot.ipxe?mac={mac}")
        values = dict(re.findall(r"^set (\S+) (.*)$", script, re.MULTILINE))
        disk = re.search(r"^sanboot .*?iscsi:(\S+?):[^:]*:(\d*):([^:]*):(\S+)", script, re.MULTILINE)
        assert disk, f"no disk in the script of {mac}:\n{script}"
        return {"initiator": values["initiator-iqn"], "user": values["username"], "secret": values["password"], "target": disk[4]}


def target(kind, name):
    return f"{IQN_PREFIX}:{kind}.{name}"
