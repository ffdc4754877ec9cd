"""The server dies while guests work."""

import re
import time

from rig.case import Case, machine_section

MAC = "52:54:00:aa:00:01"


class Restart(Case):
    def last_acknowledged(self, pc):
        return int(re.findall(r"WRITER n=(\d+) ok", pc.console.text())[-1])

    def test_sigkill_while_a_guest_writes(self):
        """The guest stalls, goes on, and sees no error; whatever the disk acknowledged is there, although it was never flushed."""
        server = self.server(machine_section("lab1-01", MAC)).start()
        pc = self.pc(MAC).power_on()
        pc.wait_ready()
        pc.log_in()
        pc.start("guest-writer")
        pc.wait_for(r"WRITER n=30 ok")

        for _ in range(2):
            server.kill()
            before = self.last_acknowledged(pc)
            time.sleep(3)
            server.start()
            pc.wait_for(rf"WRITER n={before + 20} ok", 90, failure=r"WRITER .*FAILED.*")

        # Both die at once: only what the server had acknowledged counts now.
        server.kill()
        pc.power_off()
        acknowledged = self.last_acknowledged(pc)
        self.assertNotRegex(pc.console.text(), r"I/O error|FAILED|Remounting filesystem read-only")

        server.start()
        ready = pc.power_on().wait_ready()
        self.assertEqual(ready["boots"], 2)
        pc.log_in()
        found = re.search(r"CHECK last=(\d+) bad=(\d+)", pc.run("guest-writer check"))
        self.assertGreaterEqual(int(found[1]), acknowledged)
        self.assertEqual(int(found[2]), 0)
        self.assertNotRegex(pc.run("dmesg"), r"I/O error|EXT4-fs error")
        print(f"{acknowledged} blocks acknowledged, {found[1]} found")
