"""Every way in which a PC's firmware comes to its disk."""

from rig.case import Case, machine_section
from rig.server import IQN_PREFIX

MAC = "52:54:00:aa:00:01"


class BootPaths(Case):
    def boots(self, firmware, loader, *sections):
        """Boots one PC and checks what it says of itself, and what the server says of it. `loader`: what it was handed, None for a ROM that
        needs nothing."""
        server = self.server(machine_section("lab1-01", MAC), *sections).start()
        pc = self.pc(MAC, firmware).power_on()
        ready = pc.wait_ready()

        self.assertEqual(ready["host"], "lab1-01")
        self.assertEqual(ready["mac"], MAC)
        self.assertEqual(ready["boots"], 1)
        self.assertEqual(ready["firmware"], firmware.split("-")[0])
        self.assertEqual(ready["target"], f"{IQN_PREFIX}:machine.lab1-01")
        self.assertEqual(ready["initiator"], f"{IQN_PREFIX}:initiator.1:lab1-01")
        leases = {lease["mac"]: lease["address"] for lease in server.cli("lease", "list")["leases"]}
        self.assertEqual(leases, {MAC: ready["ip"]}, "firmware, iPXE and the system share one lease")

        server.wait_for_state("lab1-01", "running")
        stages = server.stages("lab1-01")
        expected = ["discover", "offer", "loader", "script", "login", "first_read", "os_login", "running"]
        if loader is None:
            expected.remove("loader")
        else:
            self.assertRegex(stages["loader"]["detail"], loader)
        self.assertEqual(list(stages), expected)
        times = [stage["after_ms"] for stage in stages.values()]
        self.assertEqual(times, sorted(times))
        print(f"{firmware}: up after {ready['seconds']:.1f} s")

    def test_bios_rom(self):
        self.boots("bios", None)

    def test_bios_undionly(self):
        self.boots("bios", r"undionly\.kpxe.*TFTP", '[boot]\nchain = "always"\n')

    def test_uefi_pxe(self):
        self.boots("uefi", r"snponly\.efi.*TFTP")

    def test_uefi_http(self):
        self.boots("uefi-http", r"snponly\.efi.*HTTP")
