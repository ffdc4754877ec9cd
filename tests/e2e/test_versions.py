"""Versions of an image: one machine writes the next one, the others get it when they are to, and it can be taken back."""

import time

from rig.case import IMAGE, Case, machine_section
from rig.pc import PATIENCE

WRITER, FORGETFUL, KEEPING = "52:54:00:aa:00:01", "52:54:00:aa:00:02", "52:54:00:aa:00:03"
NOTE = "/root/note"


class Versions(Case):
    def boot_and_read(self, pc):
        """What the note says on this boot; the PC is off again afterwards."""
        pc.power_on().wait_ready()
        pc.log_in()
        said = pc.run(f"cat {NOTE} 2> /dev/null || echo none")
        pc.power_off()
        return said

    def wait_until_off(self, server, machine):
        """A PC whose plug was pulled keeps its session until it is missed, or until somebody ends it."""
        for session in server.cli("session", "list")["sessions"]:
            finished = self.network.run("curl", "-sS", "-X", "DELETE", server.url(f"/api/v1/sessions/{session['id']}"))
            self.assertEqual(finished.returncode, 0, finished.stderr)
        deadline = time.monotonic() + 30 * PATIENCE
        while server.machine(machine)["sessions"]:
            self.assertLess(time.monotonic(), deadline, f"{machine} still has sessions")
            time.sleep(0.2)

    def wait_for_trace(self, server):
        """What the version that was booted first boots with: recorded until its machine has read nothing new for five seconds."""
        deadline = time.monotonic() + 60 * PATIENCE
        while not (trace := server.cli("image", "show", IMAGE)["versions"][0]["trace"]):
            self.assertLess(time.monotonic(), deadline, "the first boot left no trace")
            time.sleep(0.5)
        return trace

    def assert_warms(self, server):
        """The first boot's trace is shown, and warming locks its blocks in the server's memory; letting them go unlocks them."""
        trace = self.wait_for_trace(server)
        self.assertEqual(trace["machine"], "lab1-03")
        self.assertGreater(trace["reads"], 0)
        self.assertGreaterEqual(trace["block_bytes"], trace["bytes"])
        self.assertRegex(server.text("image", "show", IMAGE), r"(?m)^version 1 boots with [0-9.]+ MiB in [0-9,]+ reads$")

        warm = server.cli("image", "warm", IMAGE)
        self.assertEqual(warm["resident_bytes"], warm["bytes"])
        self.assertGreater(warm["pinned_bytes"], 0)
        self.assertEqual(server.locked_bytes(), warm["pinned_bytes"])
        self.assertEqual(server.cli("image", "show", IMAGE)["versions"][0]["warm"], warm)
        server.cli("image", "warm", IMAGE, "--off")
        self.assertEqual(server.locked_bytes(), 0)

    def test_update(self):
        """What one machine installs is there for the others at their next boot, and gone again after a rollback."""
        server = self.server(machine_section("lab1-01", WRITER), machine_section("lab1-02", FORGETFUL, "reset"),
                             machine_section("lab1-03", KEEPING)).start()
        writer, forgetful, keeping = self.pc(WRITER), self.pc(FORGETFUL), self.pc(KEEPING)
        self.assertEqual(self.boot_and_read(keeping), "none")
        self.assert_warms(server)

        begun = server.cli("image", "update", IMAGE, "--on", "lab1-01")
        self.assertEqual((begun["version"], begun["disk_kept"]), (1, False))
        self.assertIn("lab1-01", server.refused("image", "update", IMAGE, "--on", "lab1-02"))
        writer.power_on().wait_ready()
        writer.log_in()
        writer.run(f"echo installed > {NOTE}; sync")
        self.assert_one_line(server.refused("image", "publish", IMAGE), "switch it off")
        writer.power_off()
        self.wait_until_off(server, "lab1-01")

        published = server.cli("image", "publish", IMAGE)
        self.assertEqual((published["version"], published["base"]), (2, 1))
        self.assertGreater(published["changes"]["changed_bytes"], 0)
        self.assertEqual(published["at_next_boot"], ["lab1-02"])
        self.assertEqual(published["stay"], ["lab1-03"])

        self.assertEqual(self.boot_and_read(forgetful), "installed")
        self.assertEqual(self.boot_and_read(keeping), "none")
        shown = server.cli("image", "show", IMAGE)
        self.assertEqual([v["machines"] for v in shown["versions"]], [["lab1-03"], ["lab1-02"]])
        self.assertIsNone(shown["maintenance"])
        self.assertEqual(server.machine("lab1-01")["mode"], "persistent")

        server.cli("image", "rollback", IMAGE, "--to", "1")
        self.assertEqual(self.boot_and_read(forgetful), "none")
