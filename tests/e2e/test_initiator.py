"""Linux's own initiator, open-iscsi over the kernel's iscsi_tcp, against the server: authentication, negotiation, several paths, loss."""

import re
import signal

from rig.case import INITIATOR, Case
from rig.initiator import SETTINGS, Initiator
from rig.network import SERVER_ADDRESS
from rig.server import target

MAC = "52:54:00:aa:00:01"
MIB = 1024 * 1024
SECOND_ADDRESS, SECOND_NETWORK = "10.21.0.1", "10.21.0.1/24"
SECRET, TARGET_SECRET, WRONG_SECRET = "secret12secret34", "othersecret567xx", "wrongsecret12345"
OUR_BOUNDS = {"FirstBurstLength": 64 * 1024, "MaxBurstLength": MIB}  # docs/iscsi.md
NO_AUTHORIZATION = "iSCSI login failed due to authorization failure"


def volume(name, size="64M", **keys):
    lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
    return f'[[volume]]\nname = "{name}"\nsize = "{size}"\ninitiators = ["*"]\n{lines}'


def discovery_settings(secret, target_secret):
    return {"discovery_authmethod": "CHAP", "discovery_user": "seeker", "discovery_secret": secret, "discovery_target_user": "rootstock",
            "discovery_target_secret": target_secret}


def chap(user, secret):
    return f'{{ user = "{user}", secret = "{secret}" }}'


def blocks_of(folder):
    """What all files in it take on the server's disk, in units of 512 bytes."""
    return sum(file.stat().st_blocks for file in folder.rglob("*") if file.is_file())


class InitiatorCase(Case):
    def host(self, **settings):
        host = Initiator(self.network, MAC, self.directory, INITIATOR)
        self.addCleanup(host.power_off)
        return host.power_on().start_iscsid(**settings)

    def write_and_read_back(self, host, disk, sizes):
        """New random data past the page cache, in blocks of one size, and the same back in blocks of another: for each pair of `sizes`."""
        for written, read in sizes:
            wanted = host.run("dd if=/dev/urandom of=/noise bs=1M count=3 2>/dev/null; md5sum < /noise")
            host.run(f"dd if=/noise of={disk} bs={written} oflag=direct conv=fsync 2>&1", 120)
            found = host.run(f"dd if={disk} bs={read} count={3 * MIB} iflag=direct,count_bytes 2>/dev/null | md5sum", 120)
            self.assertEqual(found, wanted, f"written by {written}, read by {read}")


class Login(InitiatorCase):
    def test_authentication(self):
        """None, one-way and mutual CHAP, for volumes and for discovery, by every algorithm that both sides know; what is wrong is refused."""
        proven = {"chap": chap("backup", SECRET)}
        server = self.server(f'[iscsi]\ndiscovery_chap = {chap("seeker", SECRET)}\ndiscovery_mutual_chap = {chap("rootstock", TARGET_SECRET)}\n',
                             volume("free"), volume("one-way", **proven), volume("mutual", **proven, mutual_chap=chap("rootstock", TARGET_SECRET)),
                             volume("private").replace("*", "iqn.2026-01.test:other"), image=False).start()
        host = self.host()
        volumes = {name: target("volume", name) for name in ("free", "mutual", "one-way", "private")}

        host.fails(f"iscsiadm -m discovery -t st -p {SERVER_ADDRESS}")
        for secret, target_secret in ((WRONG_SECRET, TARGET_SECRET), (SECRET, WRONG_SECRET)):
            host.configure(**discovery_settings(secret, target_secret))
            host.fails(f"iscsiadm -m discovery -t st -p {SERVER_ADDRESS}")
        host.configure(**discovery_settings(SECRET, TARGET_SECRET))
        self.assertEqual(host.discover(SERVER_ADDRESS), [f"{SERVER_ADDRESS}:3260,1 {volumes[name]}" for name in ("free", "mutual", "one-way")])
        host.run(f"iscsiadm -m node -T {volumes['private']} -p {SERVER_ADDRESS} -o new")
        self.assertIn(NO_AUTHORIZATION, host.login_refused(volumes["private"]))

        self.assert_logs_in(host, volumes["free"])
        self.assertIn(NO_AUTHORIZATION, host.login_refused(volumes["one-way"]))
        host.set(volumes["one-way"], authmethod="CHAP", user="backup", secret=WRONG_SECRET)
        self.assertIn(NO_AUTHORIZATION, host.login_refused(volumes["one-way"]))
        for algorithm in ("MD5", "SHA1", "SHA256", "SHA3-256"):
            host.set(volumes["one-way"], secret=SECRET, algorithms=algorithm)
            self.assert_logs_in(host, volumes["one-way"])

        host.set(volumes["mutual"], authmethod="CHAP", user="backup", secret=SECRET)
        self.assert_logs_in(host, volumes["mutual"])  # who does not ask for a proof gets none
        for secret, target_secret in ((SECRET, WRONG_SECRET), (WRONG_SECRET, TARGET_SECRET)):
            host.set(volumes["mutual"], secret=secret, target_user="rootstock", target_secret=target_secret)
            host.login_refused(volumes["mutual"])
        for algorithm in ("MD5", "SHA256"):
            host.set(volumes["mutual"], secret=SECRET, target_secret=TARGET_SECRET, algorithms=algorithm)
            self.assert_logs_in(host, volumes["mutual"])
        self.assertEqual(server.cli("session", "list")["sessions"], [])

    def assert_logs_in(self, host, name):
        """In, the disk is there and answers, and out again."""
        disk = host.log_in(name)
        self.assertEqual(host.run(f"blockdev --getsize64 {disk}"), str(64 * MIB))
        host.log_out(name)

    def test_negotiation(self):
        """Each digest alone and both; unsolicited and immediate data or neither; bursts and segments from the smallest to the largest."""
        self.server(volume("data"), image=False).start()
        name = target("volume", "data")
        host = self.host()
        host.discover(SERVER_ADDRESS)
        large, odd, small = ("1M", "96k"), ("24k", "1M"), ("8k", "8k")
        agreed = {}
        for settings, *sizes in (
            ({"header_digest": "CRC32C", "data_digest": "None"}, large, odd),
            ({"header_digest": "None", "data_digest": "CRC32C", "initial_r2t": "Yes", "immediate_data": "No"}, large, small),
            ({"header_digest": "CRC32C", "immediate_data": "No", "initial_r2t": "No", "first_burst": 8192, "max_burst": 16384}, large, odd),
            ({"immediate_data": "Yes", "initial_r2t": "Yes", "segment": 2048, "first_burst": 1024}, odd),
            ({"header_digest": "None", "data_digest": "None", "initial_r2t": "No", "segment": 512, "first_burst": 512, "max_burst": 512}, large),
            ({"segment": 16776192, "first_burst": 16776192, "max_burst": 16776192}, large, odd, small),
        ):
            agreed |= {SETTINGS[key].rpartition(".")[2]: str(value) for key, value in settings.items()}
            with self.subTest(**settings):
                host.set(name, **settings)
                disk = host.log_in(name)
                negotiated = host.negotiated(name)
                # Of two bounds the smaller one counts.
                expected = agreed | {key: str(min(int(agreed.get(key, bound)), bound)) for key, bound in OUR_BOUNDS.items()}
                self.assertEqual({key: negotiated[key] for key in expected}, expected)
                self.write_and_read_back(host, disk, sizes)
                host.log_out(name)
        self.assertEqual(host.failed_io(), [])


class Paths(InitiatorCase):
    def test_multipath(self):
        """One volume by two portals is one multipath device; when a path is cut the other carries on, and the first comes back."""
        self.network.add_address(SECOND_NETWORK)
        self.server(f'[iscsi]\nportals = ["{SERVER_ADDRESS}", "{SECOND_ADDRESS}"]\n', volume("data"), image=False).start()
        name = target("volume", "data")
        host = self.host(replacement_timeout=3, noop_interval=2, noop_timeout=2)
        self.assertEqual(host.discover(SERVER_ADDRESS), [f"{SERVER_ADDRESS}:3260,1 {name}", f"{SECOND_ADDRESS}:3260,2 {name}"])
        for portal in (SERVER_ADDRESS, SECOND_ADDRESS):
            host.log_in(name, portal)
        disks = host.disks(name)
        units = [re.sub(r"(?s)  Designation[^\n]*\n    transport.*", "", host.run(f"sg_inq --page=di {disk}")) for disk in disks]
        self.assertEqual(units[0], units[1])
        self.assertRegex(units[0], r"NAA 6, ")
        host.start_multipathd(disks)
        host.wait_for_paths("active", "active")
        self.assertEqual(host.run("ls /sys/block | grep -c dm-"), "1")

        host.start_writer("/dev/dm-0")
        host.wait_for_writer(10)
        self.network.remove_address(SECOND_NETWORK)
        host.wait_for_paths("active", "failed")
        host.wait_for_writer(20)
        self.network.add_address(SECOND_NETWORK)
        host.wait_for_paths("active", "active")
        host.wait_for_writer(20)
        host.stop_writer("/dev/dm-0")
        self.assertEqual([line for line in host.failed_io() if "dev sd" not in line], [], "only a path may fail, not the device")


class Volumes(InitiatorCase):
    def test_grown_and_served_again(self):
        """A file system lives on a volume that grows, is trimmed, and whose server is killed under load; no I/O fails and nothing is lost."""
        server = self.server(volume("data"), image=False).start()
        name = target("volume", "data")
        host = self.host()
        host.discover(SERVER_ADDRESS)
        disk = host.log_in(name)
        block = disk.removeprefix("/dev/")
        image = server.data / "volumes"

        # Discard: what was written is zero and takes no place any more.
        host.run(f"dd if=/dev/urandom of={disk} bs=1M count=16 oflag=direct 2>&1; sync")
        before = blocks_of(image)
        host.run(f"blkdiscard -o {MIB} -l {8 * MIB} {disk}")
        self.assertEqual(host.run(f"dd if={disk} bs=1M skip=1 count=8 iflag=direct 2>/dev/null | tr -d '\\0' | wc -c"), "0")
        host.run(f"sg_sync {disk}")
        self.assertLess(blocks_of(image), before - 7 * MIB // 512)

        host.run(f"mkfs.ext4 -q -F {disk} && mount {disk} /mnt && dd if=/dev/urandom of=/mnt/first bs=1M count=8 2>&1 && md5sum /mnt/first > /sums", 120)

        # A larger volume: the next command tells the host (CAPACITY DATA HAS CHANGED).
        server.cli("volume", "resize", "data", "--size", "96M")
        host.run("echo more > /mnt/more; sync")
        host.run("dmesg | grep 'Capacity data has changed'")
        host.run(f"echo 1 > /sys/block/{block}/device/rescan")
        self.assertEqual(host.run(f"blockdev --getsize64 {disk}"), str(96 * MIB))

        # The server dies under load and comes back.
        host.start("sh -c 'n=0; while [ ! -e /stop ]; do n=$((n+1)); cp /mnt/first /mnt/copy.$((n % 3)) || echo FAILED >> /run/loop; sync; echo $n > /run/loops; done'")
        for _ in range(2):
            host.run("rm -f /run/loops; until [ -e /run/loops ]; do usleep 100000; done", 90)
            server.kill()
            host.run("usleep 1000000")
            server.start()
        host.run("rm -f /run/loops; until [ -e /run/loops ]; do usleep 100000; done; touch /stop; while [ -e /proc/$! ]; do usleep 100000; done", 120)
        host.run("! grep FAILED /run/loop && md5sum -c /sums && cmp /mnt/first /mnt/copy.1")

        # Trimmed: the file's place is given back.
        host.run("rm /mnt/copy.*; sync")
        before = blocks_of(image)
        host.run(f"fstrim -v /mnt; sg_sync {disk}", 120)
        self.assertLess(blocks_of(image), before - 7 * MIB // 512)
        host.run("umount /mnt")
        host.run(f"e2fsck -f -n {disk}", 120)
        self.assertEqual(host.failed_io(), [])

    def two_nexuses(self):
        """A host with two sessions to one volume, each an I_T nexus of its own: (server, host, disk, disk)."""
        server = self.server(volume("data"), image=False).start()
        name = target("volume", "data")
        host = self.host(sessions=2, noop_interval=0, noop_timeout=0)
        host.discover(SERVER_ADDRESS)
        host.log_in(name)
        first, second = host.disks(name)
        return server, host, first, second

    def test_reservations(self):
        """Persistent reservations between two nexuses: who may write, who may read, preemption, and what survives the server's death."""
        server, host, first, second = self.two_nexuses()

        def persist(disk, *words):
            return host.run(f"sg_persist -n {' '.join(words)} {disk} 2>&1")

        def may(disk, command):
            words = {"read": f"if={disk} of=/dev/null iflag=direct", "write": f"if=/dev/zero of={disk} oflag=direct"}[command]
            return host.run(f"dd {words} bs=4k count=1 2>/dev/null && echo yes || echo no") == "yes"

        for disk, key in ((first, "111"), (second, "222")):
            persist(disk, "--out --register --param-aptpl", f"--param-sark={key}")
        self.assertEqual(re.findall(r"0x\d+", persist(first, "--in --read-keys").partition(",")[2]), ["0x111", "0x222"])
        persist(first, "--out --reserve --param-rk=111 --prout-type=1")
        self.assertEqual([may(second, "write"), may(second, "read"), may(first, "write")], [False, True, True])
        host.fails(f"sg_persist -n --out --reserve --param-rk=222 --prout-type=1 {second}")
        persist(first, "--out --release --param-rk=111 --prout-type=1")
        persist(first, "--out --reserve --param-rk=111 --prout-type=3")
        self.assertEqual([may(second, "write"), may(second, "read"), may(first, "read")], [False, False, True])

        server.kill()
        server.start()
        host.run(f"sg_turs {second}; true")  # takes the unit attention of the reset
        self.assertRegex(persist(second, "--in --read-reservation"), r"(?s)Key=0x111\s.*Exclusive Access")
        self.assertEqual([may(second, "read"), may(first, "write")], [False, True])

        persist(second, "--out --preempt --param-rk=222 --param-sark=111 --prout-type=1")
        self.assertEqual([may(first, "write"), may(second, "write")], [False, True])
        self.assertNotIn("0x111", persist(second, "--in --read-full-status"))
        persist(second, "--out --clear --param-rk=222")
        self.assertEqual([may(first, "write"), may(second, "write")], [True, True])

    def test_error_handling(self):
        """Resets and aborts while blocks are written: the host goes on and nothing is lost."""
        server, host, first, second = self.two_nexuses()
        host.start_writer(first)
        for level in ("--device", "--target"):
            host.wait_for_writer(10)
            host.run(f"dmesg -c > /dev/null; sg_reset {level} {second}")
            host.wait_for_writer(10)
            self.assertEqual(host.run(f"sg_turs {second} > /dev/null 2>&1; dmesg | grep -c 'device reset occurred'"), "2", "each nexus is told")

        # A server that answers nothing for longer than the host waits: it aborts, and resets what cannot be aborted.
        host.run(f"echo 2 > /sys/block/{first.removeprefix('/dev/')}/device/timeout")
        server.process.send_signal(signal.SIGSTOP)
        host.wait_for_count("eh_abort_cnt", 1)
        server.process.send_signal(signal.SIGCONT)
        host.wait_for_writer(10)
        host.stop_writer(first)
        counted = host.statistics()
        self.assertEqual(counted["tmfcmd_pdus"], counted["tmfrsp_pdus"])
        self.assertEqual(host.failed_io(), [])
