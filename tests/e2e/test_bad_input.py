"""What an administrator can get wrong: one clear line, an exit code that is not 0, and nothing changed."""

import contextlib
import subprocess

from rig.case import GUEST, IMAGE, Case, machine_section
from rig.network import BRIDGE, SERVER_ADDRESS
from rig.server import target

MAC = "52:54:00:aa:00:01"


class BadInput(Case):
    def tree(self, server):
        """The disks in the data directory. What the database holds is compared by what commands say of it."""
        return sorted((str(path.relative_to(server.data)), path.stat().st_size) for path in server.data.rglob("*.vhdx"))

    def state(self, server):
        broken, server.config = server.config, server.directory / "sound.toml"
        server.config.write_text(f'[server]\ninterface = "{BRIDGE}"\ndata = "{server.data}"\n')
        told = [server.cli("image", "list"), server.cli("machine", "list")]
        server.config = broken
        return told

    @contextlib.contextmanager
    def nothing_changes(self, server):
        before = (self.tree(server), self.state(server))
        yield
        self.assertEqual((self.tree(server), self.state(server)), before)

    def serve_fails(self, server, *patterns):
        with self.nothing_changes(server):
            server.launch()
            code, said = server.wait_ended()
        self.assertEqual(code, 1, said)
        self.assert_one_line(said, *patterns)

    def test_broken_configuration(self):
        server = self.server()
        broken = {
            'mode = "persistant"': r'rootstock\.toml:\d+:\d+: .*persistent',
            'adress = "10.20.0.9"': r"rootstock\.toml:\d+:\d+: .*adress.*address",
            "mode = reset": r"rootstock\.toml:\d+:\d+: ",
        }
        for line, pattern in broken.items():
            with self.subTest(line):
                server.configure(f'[[machine]]\nname = "lab1-01"\nmac = "{MAC}"\nimage = "{IMAGE}"\n{line}\n')
                self.assert_one_line(server.refused("check"), pattern)
                self.serve_fails(server, pattern)

    def test_missing_configuration(self):
        server = self.server(image=False)
        server.config.unlink()
        self.serve_fails(server, r"rootstock\.toml")

    def test_missing_interface(self):
        server = self.server(image=False)
        server.configure("", interface="eth77")
        self.serve_fails(server, r"eth77", r"br0")

    def test_missing_image(self):
        server = self.server()
        server.configure(machine_section("lab1-01", MAC).replace(IMAGE, "win11"))
        self.serve_fails(server, r"win11", r"image import")

    def test_import_of_what_is_not_there(self):
        server = self.server(image=False)
        self.assert_one_line(server.refused("image", "import", "/nowhere/disk.raw", "--name", "x"), r"/nowhere/disk\.raw")
        self.assert_one_line(server.refused("image", "import", server.directory, "--name", "x"), r"directory|file")
        self.assertEqual(server.cli("image", "list")["images"], [])

    def test_taken_port(self):
        server = self.server()
        squatter = subprocess.Popen(self.network.command("python3", "-u", "-m", "http.server", "8080"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            squatter.stdout.readline()  # it listens
            self.serve_fails(server, r"8080", r"python3 \(process \d+\)", r"stop|choose")
        finally:
            squatter.kill()
            squatter.wait()
            squatter.stdout.close()

    def test_data_directory_in_use(self):
        server = self.server(image=False).start()
        second = self.server(image=False)
        second.data = server.data
        second.configure('[http]\nport = 8081\n\n[iscsi]\nport = 3261\n')
        second.launch()
        code, said = second.wait_ended()
        self.assertEqual(code, 1)
        self.assert_one_line(said, str(server.data), r"in use|another|already")
        self.assertIsNotNone(server.cli("status"))

    def test_wrong_data_directory(self):
        server = self.server(image=False)
        for path in (server.config, "/proc/rootstock"):
            with self.subTest(path):
                server.data = path
                server.configure("")
                server.launch()
                code, said = server.wait_ended()
                self.assertEqual(code, 1)
                self.assert_one_line(said, str(path))

    @contextlib.contextmanager
    def small_disk(self, server, size):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", server.data], check=True)
        try:
            yield
        finally:
            server.kill()
            subprocess.run(["umount", "-l", server.data], check=True)

    def test_full_disk_at_import(self):
        server = self.server(image=False)
        with self.small_disk(server, "16M"):
            self.assert_one_line(server.refused("image", "import", GUEST, "--name", "big"), r"(?i)no space|full")
            self.assertEqual(server.cli("image", "list")["images"], [])
            self.assertEqual([name for name, size in self.tree(server) if name.startswith("images/")], [], "a half image was left behind")

    def test_full_disk_while_serving(self):
        """The initiator gets an error that it understands; the server and what was there before go on."""
        server = self.server(image=False)
        url = f"iscsi://{SERVER_ADDRESS}/{target('volume', 'data')}/0"
        with self.small_disk(server, "48M"):
            server.start()
            server.cli("volume", "create", "data", "--size", "200M", "--initiator", "*")
            io = lambda *commands: self.network.run("qemu-io", "-f", "raw", *[word for c in commands for word in ("-c", c)], url)
            self.assertEqual(io("write -P 0x11 0 4M", "flush").returncode, 0)
            filled = io(*[f"write -P 0x22 {at}M 4M" for at in range(4, 100, 4)])
            self.assertRegex(filled.stdout + filled.stderr, r"(?i)no space|write failed")
            self.assertNotIn("verification failed", io("read -P 0x11 0 4M").stdout)
            self.assertIsNotNone(server.cli("status"))
