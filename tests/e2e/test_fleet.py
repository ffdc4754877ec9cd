"""PCs that nobody knows, and PCs that take another's place."""

import time

from rig.case import IMAGE, Case, machine_section
from rig.network import SERVER_ADDRESS
from rig.pc import PATIENCE
from rig.server import IQN_PREFIX

OLD, NEW = "52:54:00:aa:00:01", "52:54:00:bb:00:01"
# iPXE has its disk.
DISK = r"Registered SAN device|Booting from SAN device"
# Well below the 25 s that the server holds a waiting PC's request: nobody waited for the next one. On an idle machine it is below 2 s.
AT_ONCE = 10 * PATIENCE


class Fleet(Case):
    def wait_until_waiting(self, server, pc):
        """Until the PC shows its MAC and the server lists it as waiting."""
        pc.wait_for(pc.mac)
        deadline = time.monotonic() + 60 * PATIENCE
        while not [u for u in server.cli("machine", "list")["unknown"] if u["mac"] == pc.mac and u["waiting"]]:
            self.assertLess(time.monotonic(), deadline, f"{pc.mac} is not listed as waiting")
            time.sleep(0.2)

    def seconds_to_disk(self, pc, command):
        """How long a waiting PC takes to go on once `command` put it somewhere."""
        position = pc.console.position
        begun = time.monotonic()
        command()
        pc.wait_for(DISK, 30, position)
        took = time.monotonic() - begun
        print(f"it went on after {took:.1f} s")
        return took

    def test_unknown_waits(self):
        server = self.server().start()
        pc = self.pc(NEW).power_on()
        self.wait_until_waiting(server, pc)
        time.sleep(5)  # it stays there
        self.assertIsNone(pc.console.find(DISK))
        took = self.seconds_to_disk(pc, lambda: server.cli("machine", "assign", NEW, "--name", "lab1-09", "--image", IMAGE))
        self.assertLess(took, AT_ONCE, "a waiting PC goes on at once")
        self.assertEqual(pc.wait_ready()["host"], "lab1-09")
        self.assertEqual(server.cli("machine", "list")["unknown"], [])

    def test_replace(self):
        """The replacement boots the dead PC's disk at once; the dead PC, should it come back, gets a screen and no disk."""
        server = self.server(machine_section("lab1-01", OLD)).start()
        old = self.pc(OLD, name="old").power_on()
        old.wait_ready()
        old.log_in()
        old.run("echo the work of years > /root/thesis; sync")
        old.power_off()

        new = self.pc(NEW, name="new").power_on()
        self.wait_until_waiting(server, new)
        took = self.seconds_to_disk(new, lambda: server.cli("machine", "replace", "lab1-01", "--with", NEW))
        self.assertLess(took, AT_ONCE)
        ready = new.wait_ready()
        self.assertEqual((ready["host"], ready["boots"], ready["mac"]), ("lab1-01", 2, NEW))
        self.assertEqual(ready["initiator"], f"{IQN_PREFIX}:initiator.2:lab1-01")
        new.log_in()
        self.assertEqual(new.run("cat /root/thesis"), "the work of years")

        old.power_on()
        old.wait_for(r"(?i)replaced", 60)
        old.wait_for(NEW, 5)
        self.assertIsNone(old.console.find(DISK))
        self.assertEqual(self.login_status("initiator.1:lab1-01"), "0x0202")
        self.assertTrue(new.on)
        self.assertEqual(new.run("cat /root/thesis"), "the work of years", "the successor is not disturbed")

    def test_replace_fences_a_running_pc(self):
        """A PC that still runs loses its disk at once when it is replaced."""
        server = self.server(machine_section("lab1-01", OLD)).start()
        old = self.pc(OLD).power_on()
        old.wait_ready()
        server.wait_for_state("lab1-01", "running")
        server.cli("machine", "replace", "lab1-01", "--with", NEW)
        deadline = time.monotonic() + 60 * PATIENCE
        while sessions := server.cli("session", "list")["sessions"]:
            self.assertLess(time.monotonic(), deadline, f"the old PC still has its disk: {sessions}")
            time.sleep(0.2)
        time.sleep(5)  # it tries to log in again, every few seconds
        self.assertEqual(server.cli("session", "list")["sessions"], [])

    def login_status(self, initiator):
        finished = self.network.run("python3", "-m", "rig.iscsi", SERVER_ADDRESS, f"{IQN_PREFIX}:{initiator}", f"{IQN_PREFIX}:machine.lab1-01")
        self.assertEqual(finished.returncode, 0, finished.stderr)
        return finished.stdout.strip()
