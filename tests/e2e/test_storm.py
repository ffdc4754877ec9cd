"""Several machines at the same moment."""

import time

from rig.case import Case, machine_section


class Storm(Case):
    def test_four_at_once(self):
        macs = {f"lab1-{n:02}": f"52:54:00:aa:00:{n:02}" for n in (1, 2, 3, 4)}
        server = self.server(*[machine_section(name, mac) for name, mac in macs.items()]).start()
        begun = time.monotonic()
        pcs = {name: self.pc(mac).power_on() for name, mac in macs.items()}
        addresses = set()
        for name, pc in pcs.items():
            ready = pc.wait_ready(300)
            self.assertEqual((ready["host"], ready["boots"]), (name, 1))
            addresses.add(ready["ip"])
        self.assertEqual(len(addresses), len(macs), "each has an address of its own")
        for name in macs:
            server.wait_for_state(name, "running")
        print(f"{len(macs)} machines up after {time.monotonic() - begun:.1f} s")
