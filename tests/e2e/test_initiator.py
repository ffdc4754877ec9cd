"""Linux's own initiator, open-iscsi over the kernel's iscsi_tcp, against the server: authentication, digests, burst sizes, several paths, loss."""

from rig.case import INITIATOR, Case
from rig.initiator import SETTINGS, Initiator
from rig.network import SERVER_ADDRESS
from rig.server import target

MAC = "52:54:00:aa:00:01"
MIB = 1024 * 1024
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
        host.assert_no_failed_io()
