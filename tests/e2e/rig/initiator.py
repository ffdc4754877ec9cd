"""A host with Linux's own initiator (open-iscsi) and nothing from us: the guest of `scripts/make-guest --kind initiator`, driven by its shell."""

import re
import time

from .pc import PATIENCE, Pc

# The guest's networks and its address there; the server's first address is 10.20.0.1, its second 10.21.0.1.
ADDRESSES = ("10.20.0.50/24", "10.21.0.50/24")
INITIATOR_NAME = "iqn.2026-01.test.initiator:linux"
# What the kernel or a file system says when I/O has failed.
FAILED_IO = r"I/O error|EXT4-fs error|Remounting filesystem read-only|Buffer I/O"


class Initiator(Pc):
    """`guest`: the folder with kernel and initramfs."""

    def __init__(self, network, mac, directory, guest, name=None):
        super().__init__(network, mac, directory, memory_mib=320, name=name)
        self.guest = guest

    def _boot(self, card):
        return ["-machine", "q35,graphics=off", "-device", card + ",romfile=", "-kernel", self.guest / "vmlinuz", "-initrd",
                self.guest / "initrd.img", "-append", "console=ttyS0,115200n8 quiet mitigations=off no_timer_check panic=10"]

    def start_iscsid(self, **settings):
        """Waits for the shell, gives the host its addresses and starts the initiator's daemon. `settings`: of SETTINGS, for all nodes."""
        self.wait_for(r"INITIATOR-READY.*\r?\n(?s:.*)# ", 120)
        self.run("; ".join(f"ip address add {address} dev eth0" for address in ADDRESSES))
        self.configure(**settings)
        self.run(f"echo InitiatorName={INITIATOR_NAME} > /etc/iscsi/initiatorname.iscsi; iscsid")
        return self

    def configure(self, **settings):
        """Settings of all nodes that are discovered from now on, and of discovery itself."""
        lines = "".join(f"{SETTINGS[name]} = {value}\\n" for name, value in settings.items())
        self.run(f"printf '{lines}' > /etc/iscsi/iscsid.conf")

    def fails(self, command, seconds=60):
        """Types a command that must fail, and gives what it printed."""
        return self.run(f"! ( {command} ) 2>&1", seconds)

    # --- sessions

    def discover(self, portal):
        """SendTargets: ["10.20.0.1:3260,1 iqn...", ...]; the nodes are in iscsiadm's database afterwards."""
        return [line for line in self.run(f"iscsiadm -m discovery -t st -p {portal} 2>&1").splitlines() if " iqn." in line]

    def set(self, target, **settings):
        """Settings of the node: authmethod for node.session.auth.authmethod, see SETTINGS."""
        self.run("; ".join(f"iscsiadm -m node -T {target} -o update -n '{SETTINGS[name]}' -v '{value}'" for name, value in settings.items()))

    def log_in(self, target, portal=None):
        """Gives the disk's name, /dev/sdX, once the kernel has it."""
        where = f"-T {target}" + (f" -p {portal}" if portal else "")
        self.run(f"iscsiadm -m node {where} --login 2>&1", 60)
        return self.disks(target)[-1]

    def login_refused(self, target):
        """Gives what iscsiadm says of it."""
        return self.fails(f"iscsiadm -m node -T {target} --login")

    def log_out(self, target):
        self.run(f"iscsiadm -m node -T {target} --logout 2>&1", 60)

    def disks(self, target):
        """The disks of the target's sessions, oldest session first."""
        listed = self.run(f"for tries in $(seq 100); do iscsiadm -m session -P 3 | grep -q 'Attached scsi disk' && break; usleep 100000; done;"
                          "iscsiadm -m session -P 3")
        of_target = "".join(part for part in re.split(r"(?=^Target: )", listed, flags=re.MULTILINE) if part.startswith(f"Target: {target} "))
        return [f"/dev/{name}" for name in re.findall(r"Attached scsi disk (\w+)\s+State: running", of_target)]

    def negotiated(self, target):
        """What initiator and target have agreed on: {"HeaderDigest": "CRC32C", ...}."""
        return dict(re.findall(r"^\s*(\w+): (\S+)\s*$", self.run(f"iscsiadm -m session -P 2 | sed -n '/{target}/,/Attached/p'"), re.MULTILINE))

    def statistics(self):
        """What the kernel has counted, a list with each session's: {"tmfcmd_pdus": [1, 0], ...}."""
        counted = re.findall(r"^\s*(\w+): (\d+)$", self.run("iscsiadm -m session -s"), re.MULTILINE)
        return {name: [int(count) for other, count in counted if other == name] for name, _ in counted}

    def wait_for_count(self, name, count, seconds=60):
        """Until the kernel has counted so many of them, over all sessions."""
        deadline = time.monotonic() + seconds * PATIENCE
        while sum(self.statistics()[name]) < count:
            assert time.monotonic() < deadline, f"{name} is {self.statistics()[name]}, not {count}"
            time.sleep(0.2)

    # --- several paths

    def start_multipathd(self, disks):
        """Without udev it is told of each disk, once it listens: what is said earlier its first look around forgets."""
        self.run("multipathd; until multipathd show daemon | grep -q idle; do usleep 100000; done", 60)
        for disk in disks:
            self.run(f"multipathd add path {disk.removeprefix('/dev/')}")

    def paths(self):
        """What multipathd thinks of each path: {"sda": "active", ...}."""
        return dict(line.split()[:2] for line in self.run("multipathd show paths raw format '%d %t'").splitlines() if line.startswith("sd"))

    def wait_for_paths(self, *states, seconds=60):
        """Until the states of all paths are these, whichever path has which."""
        deadline = time.monotonic() + seconds * PATIENCE
        while sorted(self.paths().values()) != sorted(states):
            assert time.monotonic() < deadline, f"paths are {self.paths()}, not {states}: {self.run('multipath -ll')}"
            time.sleep(0.5)

    # --- I/O under way

    def start_writer(self, file):
        """Numbered blocks, acknowledged one by one (scripts/guest/guest-writer)."""
        self.run("> /run/writer")
        self.start(f"WRITER_FILE={file} WRITER_REPORT=/run/writer guest-writer")

    def acknowledged(self):
        """The writer's last block; none may have failed."""
        said = self.run("grep FAILED /run/writer; tail -n 1 /run/writer")
        assert "FAILED" not in said, said
        return int(said.split("n=")[1].split()[0]) if said else 0

    def wait_for_writer(self, blocks, seconds=60):
        """Until so many more blocks are acknowledged."""
        wanted = self.acknowledged() + blocks
        deadline = time.monotonic() + seconds * PATIENCE
        while self.acknowledged() < wanted:
            assert time.monotonic() < deadline, f"only {self.acknowledged()} of {wanted} blocks are acknowledged"
            time.sleep(0.2)

    def stop_writer(self, file):
        """Ends it and checks what it wrote."""
        self.run("killall guest-writer; while killall -0 guest-writer 2>/dev/null; do usleep 100000; done; true")
        checked = self.run(f"WRITER_FILE={file} guest-writer check", 120)
        assert checked.endswith(" bad=0"), checked

    def failed_io(self):
        """The kernel's complaints about disks and file systems."""
        return re.findall(rf".*(?:{FAILED_IO}).*", self.run("dmesg"))


SETTINGS = {
    "authmethod": "node.session.auth.authmethod",
    "algorithms": "node.session.auth.chap_algs",
    "user": "node.session.auth.username",
    "secret": "node.session.auth.password",
    "target_user": "node.session.auth.username_in",
    "target_secret": "node.session.auth.password_in",
    "header_digest": "node.conn[0].iscsi.HeaderDigest",
    "data_digest": "node.conn[0].iscsi.DataDigest",
    "replacement_timeout": "node.session.timeo.replacement_timeout",
    "noop_interval": "node.conn[0].timeo.noop_out_interval",
    "noop_timeout": "node.conn[0].timeo.noop_out_timeout",
    "sessions": "node.session.nr_sessions",
    "initial_r2t": "node.session.iscsi.InitialR2T",
    "immediate_data": "node.session.iscsi.ImmediateData",
    "first_burst": "node.session.iscsi.FirstBurstLength",
    "max_burst": "node.session.iscsi.MaxBurstLength",
    "segment": "node.conn[0].iscsi.MaxRecvDataSegmentLength",
    "discovery_authmethod": "discovery.sendtargets.auth.authmethod",
    "discovery_user": "discovery.sendtargets.auth.username",
    "discovery_secret": "discovery.sendtargets.auth.password",
    "discovery_target_user": "discovery.sendtargets.auth.username_in",
    "discovery_target_secret": "discovery.sendtargets.auth.password_in",
    "send_segment": "node.conn[0].iscsi.MaxXmitDataSegmentLength",
}
