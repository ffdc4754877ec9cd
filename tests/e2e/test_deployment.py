"""One file is the whole deployment, and it says what it lacks."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from rig.case import BINARY, Case

# What a bare Debian 12 has (libc6) and what the README says to install.
ALLOWED = {"linux-vdso.so.1", "libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "libpcap.so.0.8", "libisal.so.2", "libdbus-1.so.3"}
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]


class Deployment(Case):
    def alone(self):
        """The program copied to where nothing else of it is."""
        copy = self.directory / "bin" / "rootstock"
        copy.parent.mkdir()
        shutil.copy(BINARY, copy)
        return copy

    def test_shared_libraries(self):
        listed = subprocess.run(["ldd", BINARY], capture_output=True, text=True, check=True).stdout
        libraries = {os.path.basename(line.split()[0]) for line in listed.splitlines()}
        self.assertLessEqual(libraries, ALLOWED)

    def test_single_binary(self):
        """Loaders, page and database schema are inside: it serves from an empty directory."""
        server = self.server(image=False, binary=self.alone()).start()
        self.assertRegex(subprocess.run([server.binary, "--version"], capture_output=True, text=True, check=True).stdout, r"^rootstock \d+\.\d+\.\d+")
        self.assertIn("<html", server.fetch("/").lower())
        self.assertEqual(server.cli("machine", "list")["machines"], [])
        for loader in ("undionly.kpxe", "snponly.efi"):
            received = self.directory / loader
            finished = self.network.run("curl", "-sS", "--fail", "-o", received, f"tftp://10.20.0.1/{loader}")
            self.assertEqual(finished.returncode, 0, finished.stderr)
            self.assertEqual(received.read_bytes(), Path("/usr/lib/ipxe", loader).read_bytes(), "loaders travel unmodified")

    def test_long_data_directory(self):
        """The command line reaches the server however deep its data directory lies (a UNIX socket's address holds 107 bytes)."""
        server = self.server(image=False)
        server.data = self.directory / ("d" * 120)
        server.data.mkdir()
        server.configure("")
        self.assertEqual(server.cli("volume", "create", "before", "--size", "1M")["name"], "before")
        server.start()
        server.cli("volume", "create", "while", "--size", "1M")
        self.assertEqual([volume["name"] for volume in server.cli("volume", "list")["volumes"]], ["before", "while"])
        server.stop()

    def test_missing_capabilities(self):
        """Without root: which capability is missing, for what, and how to give it."""
        server = self.server(image=False, binary=self.alone())
        subprocess.run(["chown", "-R", "65534:65534", self.directory], check=True)
        server.launch(NOBODY)
        code, said = server.wait_ended()
        self.assertEqual(code, 1)
        self.assert_one_line(said, r"CAP_NET_(BIND_SERVICE|RAW)", r"AmbientCapabilities|setcap")

    def test_with_capabilities(self):
        """With the two capabilities it serves without root, as its systemd unit runs it."""
        server = self.server(image=False, binary=self.alone())
        subprocess.run(["chown", "-R", "65534:65534", self.directory], check=True)
        granted = "+net_bind_service,+net_raw"
        server.start(prefix=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", f"--inh-caps=-all,{granted}",
                             f"--ambient-caps=-all,{granted}", "--bounding-set=-all," + granted])
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        self.assertEqual(re.search(r"^Uid:\s+(\d+)", status, re.MULTILINE)[1], "65534")
        server.stop()

    def test_completion(self):
        """The printed completion is a script that bash takes and that knows the commands."""
        printed = subprocess.run([BINARY, "completion", "bash"], capture_output=True, text=True, check=True).stdout
        words = 'COMP_WORDS=(rootstock machine re); COMP_CWORD=2; COMP_LINE="rootstock machine re"; COMP_POINT=20'
        asked = subprocess.run(["bash", "-c", f'{printed}\n{words}\n$(complete -p rootstock | sed "s/.*-F //;s/ .*//"); echo "${{COMPREPLY[@]}}"'],
                               capture_output=True, text=True, check=True).stdout
        self.assertLessEqual({"replace", "reset", "remove"}, set(asked.split()))
