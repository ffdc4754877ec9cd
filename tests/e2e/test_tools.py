"""Other people's programs agree with ours: qemu-img, qemu-io, libiscsi's tools, 7-Zip."""

import filecmp
import os
import subprocess

from rig.case import GUEST, IMAGE, Case, machine_section
from rig.network import SERVER_ADDRESS
from rig.server import target

MAC = "52:54:00:aa:00:01"
MIB = 1024 * 1024


class Tools(Case):
    def tool(self, *words):
        """Runs a program in the network; it must succeed."""
        finished = self.network.run(*words, timeout=120)
        self.assertEqual(finished.returncode, 0, f"{' '.join(map(str, words))}: {finished.stdout}{finished.stderr}")
        return finished.stdout

    def test_volume(self):
        """A volume is a disk for everyone who speaks iSCSI."""
        server = self.server(image=False).start()
        server.cli("volume", "create", "data", "--size", "64M", "--initiator", "*")
        url = f"iscsi://{SERVER_ADDRESS}/{target('volume', 'data')}/0"

        self.assertIn(target("volume", "data"), self.tool("iscsi-ls", "-s", f"iscsi://{SERVER_ADDRESS}"))
        self.assertRegex(self.tool("iscsi-inq", url), r"Vendor:ROOTSTCK")
        self.assertRegex(self.tool("iscsi-inq", "-e", "1", "-c", "131", url), r"(?i)designator")
        self.assertRegex(self.tool("iscsi-readcapacity16", url), rf"Total size:{64 * MIB}")
        self.assertIn("64 MiB", self.tool("qemu-img", "info", url))

        self.tool("qemu-io", "-f", "raw", "-c", "write -P 0xa5 1M 3M", "-c", "write -P 0x5a 4097k 5k", "-c", "write -z 2M 1M", "-c", "flush", url)
        read_back = self.tool("qemu-io", "-f", "raw", "-c", "read -P 0xa5 1M 1M", "-c", "read -P 0 2M 1M", "-c", "read -P 0xa5 3M 1M",
                              "-c", "read -P 0x5a 4097k 5k", "-c", "read -P 0 8M 8M", url)
        self.assertNotIn("verification failed", read_back)

        written, read = self.directory / "written.raw", self.directory / "read.raw"
        written.write_bytes(os.urandom(7 * MIB + 512) + bytes(57 * MIB - 512))
        self.tool("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", written, url)
        server.stop()
        server.start()
        self.tool("qemu-img", "convert", "-f", "raw", "-O", "raw", url, read)
        self.assertTrue(filecmp.cmp(written, read, shallow=False), "what was written is read, over a restart")

        server.cli("volume", "remove", "data")
        self.assertNotIn("volume.data", self.tool("iscsi-ls", f"iscsi://{SERVER_ADDRESS}"))

    def test_seven_zip(self):
        """7-Zip reads the overlay that a boot left behind, over its master, and finds what the server served."""
        server = self.server(machine_section("lab1-01", MAC)).start()
        pc = self.pc(MAC).power_on()
        pc.wait_ready()
        pc.log_in()
        pc.run("dd if=/dev/urandom of=/root/noise bs=1000 count=3000; sync", 120)
        pc.power_off()

        boot = server.boot_script(MAC)
        served = self.directory / "served.raw"
        self.tool("qemu-img", "convert", "--object", f"secret,id=chap,data={boot['secret']}", "--image-opts", "-O", "raw",
                  f"driver=iscsi,transport=tcp,portal={SERVER_ADDRESS},target={boot['target']},lun=0,initiator-name={boot['initiator']},"
                  f"user={boot['user']},password-secret=chap", served)
        server.stop()

        overlay = server.data / "overlays" / "lab1-01.vhdx"
        master, = (server.data / "images" / IMAGE).glob("*.vhdx")
        # The overlay names its parent as Windows does, and 7-Zip on Linux takes the backslashes for a part of a file's name.
        (overlay.parent / os.path.relpath(master, overlay.parent).replace("/", "\\")).symlink_to(master)
        extracted = self.directory / "extracted.raw"
        with open(extracted, "wb") as output:
            subprocess.run(["7zz", "x", "-so", "-tVHDX", overlay], cwd=overlay.parent, stdout=output, stderr=subprocess.PIPE, check=True, timeout=120)
        self.assertTrue(filecmp.cmp(served, extracted, shallow=False), "7-Zip reads another disk than the server served")
        self.assertFalse(filecmp.cmp(served, GUEST, shallow=False), "the boot left nothing in its overlay")

    def test_master(self):
        """The master in the store is the imported disk, for 7-Zip and for QEMU."""
        server = self.server()
        master, = (server.data / "images" / IMAGE).glob("*.vhdx")
        self.tool("qemu-img", "check", "-f", "vhdx", master)
        self.assertIn("identical", self.tool("qemu-img", "compare", "-f", "vhdx", "-F", "raw", master, GUEST))
        extracted = self.directory / "extracted.raw"
        with open(extracted, "wb") as output:
            subprocess.run(["7zz", "x", "-so", "-tVHDX", master], stdout=output, stderr=subprocess.PIPE, check=True, timeout=120)
        self.assertTrue(filecmp.cmp(extracted, GUEST, shallow=False))
