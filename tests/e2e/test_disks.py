"""What stays on a machine's disk, and what does not."""

from rig.case import Case, machine_section

FIRST, SECOND = "52:54:00:aa:00:01", "52:54:00:aa:00:02"
NOTE = "/root/note"


class Disks(Case):

    def test_two_machines(self):
        """One master, two PCs at the same time, each with contents of its own."""
        self.server(machine_section("lab1-01", FIRST), machine_section("lab1-02", SECOND)).start()
        pcs = {"lab1-01": self.pc(FIRST), "lab1-02": self.pc(SECOND)}
        for pc in pcs.values():
            pc.power_on()
        for name, pc in pcs.items():
            self.assertEqual(pc.wait_ready()["host"], name)
            pc.log_in()
            self.assertEqual(pc.run(f"cat {NOTE} 2> /dev/null || echo none"), "none")
            pc.run(f"echo written by {name} > {NOTE}; sync; echo 3 > /proc/sys/vm/drop_caches")
        for name, pc in pcs.items():
            self.assertEqual(pc.run(f"cat {NOTE}"), f"written by {name}")

    def test_persistent(self):
        """Three boots count on the disk, over a restart of the server in between."""
        server = self.server(machine_section("lab1-01", FIRST)).start()
        pc = self.pc(FIRST)
        for count in (1, 2, 3):
            self.assertEqual(pc.power_on().wait_ready()["boots"], count)
            pc.power_off()
            if count == 1:
                server.stop()
                server.start()

    def test_reset(self):
        """Each boot starts from the master; `machine reset` does the same once for a persistent machine."""
        server = self.server(machine_section("lab1-01", FIRST, "reset"), machine_section("lab1-02", SECOND)).start()
        forgetful, keeping = self.pc(FIRST), self.pc(SECOND)
        for pc in (forgetful, keeping):
            pc.power_on()
        for pc in (forgetful, keeping):
            self.assertEqual(pc.wait_ready()["boots"], 1)
            pc.log_in()
            pc.run(f"echo something > {NOTE}; sync")
            pc.power_off()
        server.cli("machine", "reset", "lab1-02")
        for pc in (forgetful, keeping):
            pc.power_on()
        for pc in (forgetful, keeping):
            self.assertEqual(pc.wait_ready()["boots"], 1)
            pc.log_in()
            self.assertEqual(pc.run(f"cat {NOTE} 2> /dev/null || echo none"), "none")
