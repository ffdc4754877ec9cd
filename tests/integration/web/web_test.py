#!/usr/bin/env python3
"""The web page in headless Chromium against the real server: what an administrator does, from the empty page to a replaced PC.

    web_test.py PATH_TO_ROOTSTOCK [FOLDER_FOR_SCREENSHOTS]

PCs are played by HTTP requests (as iPXE sends them) and by qemu-io, which logs in to their disks by iSCSI.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

import webdriver

SKIPPED = 77
MACS = ["52:54:00:aa:00:%02x" % number for number in range(1, 7)]


class Server:
    def __init__(self, binary, folder):
        self.folder = pathlib.Path(folder)
        self.http, self.iscsi = webdriver.free_port(), webdriver.free_port()
        config = self.folder / "rootstock.toml"
        config.write_text(f'[server]\ninterface = "lo"\ndata = "{folder}/data"\nname = "lab-server"\n[dhcp]\nmode = "off"\n'
                          f"[http]\nport = {self.http}\n[iscsi]\nport = {self.iscsi}\n")
        self.log = open(self.folder / "serve.log", "w")
        self.process = subprocess.Popen([binary, "serve", "--config", str(config)], stderr=self.log, stdout=self.log)
        self.url = f"http://127.0.0.1:{self.http}"
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError):
                self.get("/api/v1/version")
                return
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError("the server did not start:\n" + (self.folder / "serve.log").read_text())
            time.sleep(0.1)

    def get(self, path, timeout=60):
        with urllib.request.urlopen(self.url + path, timeout=timeout) as answer:
            return answer.read().decode()

    def api(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/v1/{path}", data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or "null")

    def script(self, mac, **query):
        return self.get("/boot.ipxe?" + urllib.parse.urlencode({"mac": mac, **query}))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


class Pc:
    """Boots as iPXE does: asks for its script, waits while it is unknown, then logs in to its disk and uses it."""

    def __init__(self, server, mac, product):
        self.server, self.mac, self.product = server, mac, product
        self.released = None
        self.disk = None
        self.thread = threading.Thread(target=self.boot, daemon=True)
        self.thread.start()

    def boot(self):
        script = self.server.script(self.mac)
        with contextlib.suppress(OSError):  # the server stops at the end of the test
            while "sanboot" not in script:
                script = self.server.script(self.mac, wait=1, manufacturer="QEMU", product=self.product, serial="S/N <b>1</b>",
                                            uuid="4c4c4544-0051-3510-8052-b4c04f4e3532")
            self.released = time.monotonic()
            self.script = script

    def attach(self):
        """An initiator that reads once (it looks for a format), writes once, and stays."""
        self.thread.join(30)
        words = {line.split()[1]: line.split()[2] for line in self.script.splitlines() if line.startswith("set ")}
        target = next(line for line in self.script.splitlines() if line.startswith("sanboot")).split()[1].split(":", 5)[5]
        image = {"file.driver": "iscsi", "file.transport": "tcp", "file.portal": f"127.0.0.1:{self.server.iscsi}",
                 "file.target": target, "file.lun": 0, "file.initiator-name": words["initiator-iqn"], "file.user": words["username"],
                 "file.password-secret": "chap"}
        self.disk = subprocess.Popen(["qemu-io", "--object", f"secret,id=chap,data={words['password']}", "--image-opts",
                                      ",".join(f"{key}={value}" for key, value in image.items())],
                                     stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        self.disk.stdin.write("write -P 7 8k 4k\n")  # one line: it would not look at a second one before the pipe says more
        self.disk.stdin.flush()

    def switch_off(self):
        if self.disk:
            self.disk.kill()
            self.disk.wait(20)


def main(binary, shots):
    with tempfile.TemporaryDirectory(prefix="rootstock-web-") as folder, contextlib.ExitStack() as stack:
        server = Server(binary, folder)
        stack.callback(server.stop)
        browser = webdriver.Browser()
        stack.callback(browser.close)

        def shot(name):
            if shots:
                time.sleep(0.4)  # what was changed last is drawn
                browser.screenshot(pathlib.Path(shots) / f"{name}.png")

        steps = [empty_page, import_an_image, assign_a_waiting_pc, see_it_run, keep_its_version_warm, miss_its_master, replace_it, nothing_becomes_markup, volumes, other_views, narrow_and_dark,
                 keyboard_alone, server_goes_and_comes]
        world = {"server": server, "browser": browser, "shot": shot, "folder": folder, "binary": binary, "stack": stack}
        for step in steps:
            started = time.monotonic()
            try:
                step(world=world, **world)
            except BaseException:
                shot(f"failed-{step.__name__}")
                print((pathlib.Path(folder) / "serve.log").read_text()[-4000:])
                raise
            print(f"ok {step.__name__} ({time.monotonic() - started:.1f} s)", flush=True)
        complaints = [line for line in browser.errors() if "Failed to load resource" not in line and "ERR_CONNECTION_REFUSED" not in line]
        assert not complaints, complaints


def empty_page(server, browser, shot, **_):
    browser.open(server.url)
    browser.wait_text("main", "three steps to the first one")
    browser.wait_text("#link", "Live")
    shot("01-empty")
    browser.click('a[href="#images"]')
    browser.wait_text("main", "No image yet")


def import_an_image(server, browser, shot, folder, **_):
    source = pathlib.Path(folder) / "debian.img"
    with open(source, "wb") as image:
        image.write(b"\x55\xaa" * 512)
        image.truncate(256 << 20)
    browser.click('button[data-key="import"]')
    browser.type('input[name="name"]', "debian12")
    browser.type('input[name="source"]', "/not/there.img")
    browser.click('dialog button[type="submit"]')
    browser.wait_text('dialog [role="alert"]', "There is no file /not/there.img on the server")
    shot("02-import-error")
    browser.type('input[name="source"]', str(source))
    browser.click('dialog button[type="submit"]')
    browser.wait_gone("dialog[open]")
    browser.wait_text('tr[data-row="debian12"]', "256 MiB")
    shot("03-images")


def assign_a_waiting_pc(world, server, browser, shot, stack, **_):
    browser.click('a[href="#machines"]')
    pcs = [Pc(server, MACS[0], "Standard PC (Q35 + ICH9, 2009)"), Pc(server, MACS[1], "OptiPlex 7090")]
    browser.wait_text("#waiting", "2 PCs wait to be assigned")
    browser.wait_text(f'[data-mac="{MACS[0]}"]', "QEMU Standard PC")
    shot("04-waiting")
    browser.click(f'button[data-key="assign-{MACS[0]}"]')
    browser.type('dialog input[name="name"]', "lab1-01")
    shot("05-assign")
    browser.click('dialog button[type="submit"]')
    browser.wait_gone("dialog[open]")
    assigned = time.monotonic()
    browser.wait_for('[data-machine="lab1-01"]')
    pcs[0].thread.join(30)
    assert pcs[0].released and pcs[0].released - assigned < 10, "the PC did not go on at once"
    assert pcs[1].thread.is_alive(), "another PC was released"
    browser.wait_gone(f'[data-mac="{MACS[0]}"]')
    browser.click(f'button[data-key="assign-{MACS[1]}"]')
    assert browser.run('return document.querySelector("dialog input[name=name]").value') == "lab1-02"  # the next one
    browser.type('dialog input[name="name"]', "lab1-01")
    browser.click('dialog button[type="submit"]')
    browser.wait_text('dialog [role="alert"]', "lab1-01")  # the name is taken
    browser.type('dialog input[name="name"]', "lab1-02")
    browser.click('dialog input[value="reset"]')
    browser.click('dialog button[type="submit"]')
    browser.wait_for('[data-machine="lab1-02"].booting')
    stack.callback(pcs[0].switch_off)
    world["first"] = pcs[0]


def see_it_run(world, server, browser, shot, **_):
    first = world["first"]
    first.attach()
    browser.wait_for('[data-machine="lab1-01"].running')
    browser.click('button[data-key="open-lab1-01"]')
    browser.wait_text('[data-machine="lab1-01"] .timeline', "Running")
    assert "Disk attached" in browser.text('[data-machine="lab1-01"] .timeline')
    browser.wait_text('[data-machine="lab1-01"] .facts', "127.0.0.1")
    shot("06-running")
    secret = next(line for line in first.script.splitlines() if line.startswith("set password")).split()[2]
    for path in ("machines", "boots", "sessions", "log", "status", "unknown"):
        assert secret not in server.get(f"/api/v1/{path}"), f"{path} shows a CHAP secret"


def keep_its_version_warm(browser, shot, **_):
    """What its boot has read is known soon."""
    browser.click('a[href="#images"]')
    version = '[data-versions="debian12"]'
    browser.wait_text(version, "4.0 KiB in 1 read")
    for key, after in (("warm", "of 2.0 MiB"), ("cool", "Keep warm")):
        browser.click(f'button[data-key="{key}-debian12-1"]')
        browser.click('dialog button[type="submit"]')
        browser.wait_gone("dialog[open]")
        browser.wait_text(version, after)
        shot(f"06-{key}")


def miss_its_master(browser, shot, folder, **_):
    """Under the machine that runs: seen without asking, and so is its return."""
    master = pathlib.Path(folder) / "data/images/debian12/v0001.vhdx"
    master.rename(master.with_suffix(".away"))
    browser.wait_text('tr[data-row="debian12"]', "was removed or replaced by another file")
    shot("06-missing")
    master.with_suffix(".away").rename(master)
    browser.wait_text('tr[data-row="debian12"]', "as imported")
    browser.click('a[href="#machines"]')


def replace_it(server, browser, shot, stack, **_):
    new = Pc(server, MACS[2], "ThinkCentre M70q")
    stack.callback(new.switch_off)
    browser.wait_text("#waiting", "A PC waits to be assigned")
    browser.click('button[data-key="replace-lab1-01"]')
    browser.wait_text("dialog", "It is cut off at once")
    shot("07-replace")
    browser.click('dialog button[type="submit"]')
    browser.wait_gone("dialog[open]")
    replaced = time.monotonic()
    new.thread.join(30)
    assert new.released and new.released - replaced < 10, "the new PC did not go on at once"
    new.attach()
    browser.wait_text('[data-machine="lab1-01"] .facts', MACS[0])  # as a replaced PC
    browser.wait_for('[data-machine="lab1-01"].running')
    assert f"Replaced by: {MACS[2]}" in server.script(MACS[0])
    shot("08-replaced")
    browser.click('button[data-key="open-lab1-01"]')


def nothing_becomes_markup(server, browser, shot, stack, **_):
    hostile = Pc(server, MACS[3], "<img src=x onerror=alert(1)><script>document.title='x'</script>")
    stack.callback(hostile.switch_off)
    browser.wait_text("#waiting", "<img src=x onerror=alert(1)>")
    assert browser.run("return document.querySelectorAll('#waiting img, #waiting script').length") == 0
    browser.click(f'button[data-key="forget-{MACS[3]}"]')
    browser.keys("\ue00c")
    browser.wait_gone("dialog[open]")


def volumes(server, browser, shot, stack, folder, **_):
    browser.click('a[href="#volumes"]')
    browser.wait_text("main", "No volume yet")
    browser.click('button[data-key="create"]')
    browser.type('input[name="name"]', "data")
    browser.type('input[name="size"]', "10G")
    browser.type('input[name="initiators"]', "lab1-01, *")
    browser.click('dialog button[type="submit"]')
    browser.wait_text('tr[data-row="data"]', "10.0 GiB")
    iso = pathlib.Path(folder) / "debian-12.iso"
    iso.write_bytes(bytes(16 * 2048 + 1) + b"CD001" + bytes(2048 * 8 - 6))
    browser.click('button[data-key="create"]')
    browser.type('input[name="name"]', "debian")
    browser.click('dialog input[value="cdrom"]')
    browser.type('input[name="iso"]', "/not/there.iso")
    browser.type('input[name="initiators"]', "*")
    browser.click('dialog button[type="submit"]')
    browser.wait_text('dialog [role="alert"]', "/not/there.iso")
    browser.type('input[name="iso"]', str(iso))
    shot("09-create-cdrom")
    browser.click('dialog button[type="submit"]')
    browser.wait_text('tr[data-row="debian"]', "CD-ROM")
    browser.wait_text('tr[data-row="debian"]', "debian-12.iso")
    disc = subprocess.Popen(["qemu-io", "-r", "-f", "raw", f"iscsi://127.0.0.1:{server.iscsi}/iqn.2026-01.internal.rootstock:volume.debian/0"],
                            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    stack.callback(disc.kill)
    browser.wait_text('tr[data-row="debian"]', "127.0.0.1")
    browser.click('button[data-key="change-data"]')
    browser.type('input[name="initiators"]', "10.20.0.0/16")
    browser.type('input[name="user"]', "backup")
    browser.type('input[name="secret"]', "short")
    browser.type('input[name="size"]', "20G")
    browser.click('dialog input[name="read_only"]')
    browser.click('dialog button[type="submit"]')
    browser.type('input[name="secret"]', "at least 12 bytes")
    shot("09-change-volume")
    browser.click('dialog button[type="submit"]')
    for words in ("10.20.0.0/16", "who proves to be backup", "20.0 GiB", "read-only"):
        browser.wait_text('tr[data-row="data"]', words)
    shot("09-volumes")


def other_views(server, browser, shot, **_):
    browser.click('a[href="#sessions"]')
    browser.wait_text("main", "lab1-01")
    shot("10-sessions")
    browser.click('a[href="#leases"]')
    browser.wait_text("main", "No lease")
    browser.click('a[href="#events"]')
    browser.wait_text("main", "api.machine.replaced")
    shot("11-events")
    browser.click('a[href="#machines"]')
    browser.wait_for('[data-machine="lab1-02"]')
    browser.click('button[data-key="open-lab1-02"]')
    browser.click('button[data-key="remove-lab1-02"]')
    browser.wait_text("dialog", "Remove lab1-02?")
    browser.click('dialog button[type="submit"]')
    browser.wait_gone('[data-machine="lab1-02"]')


def narrow_and_dark(server, browser, shot, **_):
    for number in range(2, 30):
        server.api("POST", "machines", {"name": f"lab1-{number:02}", "mac": f"52:54:00:cc:00:{number:02x}", "image": "debian12",
                                        "mode": "reset" if number % 3 else "persistent"})
    browser.wait_for('[data-machine="lab1-29"]')
    shot("12-many")
    browser.click("#theme")
    shot("13-dark")
    browser.resize(420, 900)
    overflow = browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"the page is {overflow} pixels wider than a phone"
    shot("14-phone-dark")
    browser.click("#theme")
    browser.click('a[href="#images"]')
    browser.wait_text("main", "debian12")
    shot("15-phone-images")
    browser.resize(1280, 900)
    browser.click('a[href="#machines"]')


def keyboard_alone(server, browser, shot, **_):
    browser.wait_for('[data-machine="lab1-04"]')
    browser.run("document.querySelector('[data-key=\"open-lab1-04\"]').focus()")
    browser.keys("\ue007")
    browser.wait_for('[data-machine="lab1-04"] .machine-details')
    server.api("PATCH", "machines/lab1-03", {"mode": "persistent"})  # the list is drawn anew
    time.sleep(0.5)
    assert browser.run("return document.activeElement.dataset.key") == "open-lab1-04", "the focus was lost"
    browser.run("document.querySelector('[data-key=\"edit-lab1-04\"]').focus()")
    browser.keys("\ue007")
    browser.wait_for("dialog[open]")
    assert browser.run("return document.querySelector('dialog').contains(document.activeElement)")
    browser.keys("\ue00c")
    browser.wait_gone("dialog[open]")
    unnamed = browser.run("""return [...document.querySelectorAll('button, a, input, select')].filter((e) => !e.hidden && !e.textContent.trim()
      && !e.getAttribute('aria-label') && !e.labels?.length && e.type !== 'hidden').map((e) => e.outerHTML)""")
    assert not unnamed, f"controls without a name: {unnamed}"


def server_goes_and_comes(server, browser, shot, binary, **_):
    server.stop()
    browser.wait_text("#banner", "The server does not answer")
    shot("16-gone")
    server.process = subprocess.Popen([binary, "serve", "--config", str(server.folder / "rootstock.toml")], stderr=server.log, stdout=server.log)
    browser.wait_text("#link", "Live")
    browser.wait_for('[data-machine="lab1-29"]')


if __name__ == "__main__":
    lacking = webdriver.missing() + [name for name in ("qemu-io",) if not shutil.which(name)]
    if lacking:
        print("skipped: missing " + ", ".join(lacking) + " (apt-get install chromium chromium-driver qemu-utils qemu-block-extra)")
        sys.exit(SKIPPED)
    folder_for_shots = sys.argv[2] if len(sys.argv) > 2 else os.environ.get("ROOTSTOCK_SCREENSHOTS")
    if folder_for_shots:
        os.makedirs(folder_for_shots, exist_ok=True)
    main(os.path.abspath(sys.argv[1]), folder_for_shots)
