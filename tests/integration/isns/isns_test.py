"""The real server registers with Debian's isnsd; what it says there is read by isnsadm.

    isns_test.py ROOTSTOCK

Loopback only. Exit code 77: open-isns-server or open-isns-utils is missing.
"""
import contextlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = sys.argv[1]
IQN = "iqn.2026-01.test.rootstock"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(what, seconds=60):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what.__doc__}"
        time.sleep(0.1)


class Daemon:
    """A process with its log."""

    def __init__(self, log, *command):
        self.log = log
        self.command = command
        self.start()

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def words(self):
        return self.log.read_text(errors="replace")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)


class IsnsServer(Daemon):
    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        common = "SourceName = iqn.2026-01.test:{}\nSecurity = 0\n"
        (folder / "isnsd.conf").write_text(common.format("isns") + f"Database = {folder}/isns-db\nPIDFile = {folder}/isnsd.pid\n"
                                           f"ControlSocket = {folder}/isnsd.control\nDefaultDiscoveryDomain = 1\nBindAddress = 127.0.0.1:{self.port}\n")
        (folder / "isnsadm.conf").write_text(common.format("admin") + f"ServerAddress = 127.0.0.1:{self.port}\n")
        super().__init__(folder / "isnsd.log", "isnsd", "-f", "-c", folder / "isnsd.conf")
        wait_until(self.listens)

    def listens(self):
        """isnsd listens"""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def list(self, kind):
        listed = subprocess.run(["isnsadm", "-c", self.folder / "isnsadm.conf", "--list", kind], capture_output=True, text=True, timeout=60, check=False)
        return listed.stdout

    def targets(self):
        return sorted(re.findall(r"iSCSI name = \"(.*)\"", self.list("nodes")))

    def forget(self):
        """Dies, and loses its memory."""
        self.kill()
        shutil.rmtree(self.folder / "isns-db", ignore_errors=True)


class Server(Daemon):
    def __init__(self, folder, isns_port):
        self.config = folder / "rootstock.toml"
        self.port = free_port()
        self.config.write_text(f'[server]\ninterface = "lo"\ndata = "{folder}/data"\n[dhcp]\nmode = "off"\n[http]\nport = {free_port()}\n'
                               f'[iscsi]\nport = {self.port}\niqn_prefix = "{IQN}"\n[isns]\nserver = "127.0.0.1:{isns_port}"\n'
                               '[[volume]]\nname = "data"\nsize = "1M"\ninitiators = ["*"]\n')
        super().__init__(folder / "rootstock.log", PROGRAM, "serve", "--config", self.config)
        wait_until(self.started)

    def started(self):
        """the server has started"""
        assert self.process.poll() is None, self.words()
        return " server.started " in self.words()

    def volume(self, *words):
        done = subprocess.run([PROGRAM, "volume", *words, "--config", self.config], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr

    def stop(self, seconds):
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.words()
        assert time.monotonic() - started < seconds, "the stop took too long"


def await_targets(isns, *names):
    def registered():
        return isns.targets() == [f"{IQN}:volume.{name}" for name in names]

    registered.__doc__ = f"isnsd lists {names}"
    wait_until(registered)


def await_word(server, word, count=1):
    def said():
        return server.words().count(f" {word} ") == count

    said.__doc__ = f"the server said {word} {count} times"
    wait_until(said)


def check_registration(isns, server):
    await_targets(isns, "data")
    assert f"Portal TCP/UDP port = {server.port}/tcp" in isns.list("portals"), isns.list("portals")
    assert "Portal IP address = 127.0.0.1" in isns.list("portals")
    assert 'Entity identifier = "rootstock.127.0.0.1"' in isns.list("entities")
    server.volume("create", "more", "--size", "1M")
    await_targets(isns, "data", "more")
    server.volume("remove", "more")
    await_targets(isns, "data")
    assert server.words().count(" isns.failed ") == 0, server.words()


def check_loss(isns, server):
    """A dead iSNS server is told of once; when it is back it learns everything, although it has forgotten it."""
    isns.forget()
    server.volume("create", "meanwhile", "--size", "1M")
    await_word(server, "isns.failed")
    server.volume("create", "later", "--size", "1M")
    isns.start()
    await_targets(isns, "data", "later", "meanwhile")
    assert server.words().count(" isns.failed ") == 1, server.words()


def check_stop(isns, server):
    server.stop(20)
    await_targets(isns)


def check_silence(isns, server):
    """An iSNS server that says nothing holds up neither a command nor a stop."""
    await_targets(isns, "data", "later", "meanwhile")
    isns.process.send_signal(signal.SIGSTOP)
    try:
        server.volume("remove", "later")
        time.sleep(2)  # it is being told, and does not answer
        server.stop(20)
    finally:
        isns.process.send_signal(signal.SIGCONT)


def main():
    if not shutil.which("isnsd") or not shutil.which("isnsadm"):
        print("skipped: open-isns-server or open-isns-utils is missing")
        return 77
    folder = Path(tempfile.mkdtemp(prefix="rootstock-isns-"))
    with contextlib.ExitStack() as ending:
        ending.callback(shutil.rmtree, folder, ignore_errors=True)
        isns = IsnsServer(folder)
        ending.callback(isns.kill)
        server = Server(folder, isns.port)
        ending.callback(server.kill)
        for check in (check_registration, check_loss, check_stop):
            check(isns, server)
            print(f"{check.__name__}: good", flush=True)
        server.start()
        check_silence(isns, server)
        print("check_silence: good")
    return 0


if __name__ == "__main__":
    sys.exit(main())
