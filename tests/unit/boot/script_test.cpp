#include "boot/script.hpp"
#include "support/catch.hpp"

using namespace rootstock;
using namespace rootstock::boot;

namespace {

Settings settings() {
    Settings settings;
    settings.address = *Ipv4::parse("10.20.0.1");
    return settings;
}

fleet::Machine machine() {
    fleet::Machine machine;
    machine.name = "lab1-07";
    machine.macs = {*Mac::parse("52:54:00:aa:00:07")};
    machine.image = "win11-lab";
    machine.generation = 2;
    return machine;
}

} // namespace

TEST_CASE("Script of a machine: initiator name, secret of this boot, disk, and the way back",
          "[boot][script]") {
    fleet::Boot boot;
    boot.id = 41;
    boot.mac = machine().macs[0];
    boot.chap_secret = "00112233445566778899aabbccddeeff";
    CHECK(machine_script(settings(), machine(), boot) == R"(#!ipxe
echo
echo This PC is lab1-07. Its disk: image win11-lab, from 10.20.0.1
set initiator-iqn iqn.2026-01.internal.rootstock:initiator.2:lab1-07
set username lab1-07.41
set password 00112233445566778899aabbccddeeff
sanboot iscsi:10.20.0.1:::0:iqn.2026-01.internal.rootstock:machine.lab1-07 || goto failed
:failed
echo The disk did not start. Asking the server again.
sleep 2
:again
chain --replace --autofree http://10.20.0.1:8080/boot.ipxe?mac=52:54:00:aa:00:07&retry=1 || goto lost
:lost
sleep 2
goto again
)");
}

TEST_CASE("Script of a machine: another iSCSI port is named", "[boot][script]") {
    Settings other = settings();
    other.iscsi_port = 3261;
    fleet::Boot boot;
    boot.mac = machine().macs[0];
    CHECK_THAT(machine_script(other, machine(), boot),
               Catch::Contains("sanboot iscsi:10.20.0.1::3261:0:iqn."));
}

TEST_CASE("Script of an unknown PC: shows its MAC, tells of itself, and waits", "[boot][script]") {
    CHECK(waiting_script(settings(), *Mac::parse("52:54:00:bb:00:07")) == R"(#!ipxe
echo
echo ================================================================
echo This PC is not assigned to a machine yet.
echo
echo Its address (MAC): 52:54:00:bb:00:07
echo
echo Assign it on the page http://10.20.0.1:8080/
echo or with: rootstock machine assign 52:54:00:bb:00:07 --name NAME --image IMAGE
echo
echo It then starts by itself. Leave it switched on.
echo ================================================================
:again
chain --replace --autofree --timeout 40000 http://10.20.0.1:8080/boot.ipxe?mac=52:54:00:bb:00:07&wait=1&manufacturer=${manufacturer:uristring}&product=${product:uristring}&serial=${serial:uristring}&uuid=${uuid}&platform=${platform} || goto lost
:lost
sleep 2
goto again
)");
}

TEST_CASE("Script of a replaced PC: names its successor and gives no disk", "[boot][script]") {
    const fleet::RetiredMac retired{*Mac::parse("52:54:00:aa:00:06"),
                                    *Mac::parse("52:54:00:aa:00:07"),
                                    1,
                                    wall_from_unix_ms(1790000000000)};
    CHECK(replaced_script(settings(), machine(), retired) == R"(#!ipxe
echo
echo ================================================================
echo This PC was lab1-07 and has been replaced.
echo
echo Its address (MAC): 52:54:00:aa:00:06
echo Replaced by: 52:54:00:aa:00:07 on 2026-09-21
echo
echo It gets no disk, so that nothing of lab1-07 can be damaged.
echo To give it work again, assign it on the page http://10.20.0.1:8080/
echo ================================================================
:again
chain --replace --autofree --timeout 40000 http://10.20.0.1:8080/boot.ipxe?mac=52:54:00:aa:00:06&wait=1 || goto lost
:lost
sleep 2
goto again
)");
}

TEST_CASE(
    "Script for the local disk: UEFI goes on to its next boot device, BIOS starts the first disk",
    "[boot][script]") {
    CHECK(local_disk_script(*Mac::parse("52:54:00:bb:00:07")) == R"(#!ipxe
echo
echo This PC (52:54:00:bb:00:07) is not assigned to a machine. It starts from its own disk.
iseq ${platform} efi && exit || sanboot --no-describe --drive 0x80 || exit
)");
}

TEST_CASE("Script of an error: says why and tries again", "[boot][script]") {
    CHECK(error_script(settings(),
                       *Mac::parse("52:54:00:aa:00:07"),
                       "lab1-07",
                       "there is no image \"win11\"; import it") == R"(#!ipxe
echo
echo ================================================================
echo lab1-07 cannot start now.
echo
echo there is no image 'win11' import it
echo
echo More is on the page http://10.20.0.1:8080/
echo It tries again every 10 seconds.
echo ================================================================
sleep 10
:again
chain --replace --autofree http://10.20.0.1:8080/boot.ipxe?mac=52:54:00:aa:00:07 || goto lost
:lost
sleep 2
goto again
)");
}

TEST_CASE("Free text cannot become iPXE syntax", "[boot][script]") {
    for (const std::string_view hostile : {"a\nchain http://evil/",
                                           "a || chain x",
                                           "a && reboot",
                                           "a ; reboot",
                                           "${password}",
                                           "# comment",
                                           "--help x",
                                           "-n x",
                                           "\x1b[2J",
                                           "\xff\xfe",
                                           "`x`",
                                           "a\rb",
                                           "a\tb"}) {
        for (const std::string& line : screen_text(hostile)) {
            INFO(line);
            CHECK(line.find_first_of("\n\r\t|&;$#{}`\x1b\xff") == std::string::npos);
            CHECK(line.front() != '-');
        }
    }
    CHECK(screen_text("--help me - now") == std::vector<std::string>{"help me now"});
    CHECK(screen_text("").empty());
}

TEST_CASE("Free text is broken into lines that fit a screen, and into few of them",
          "[boot][script]") {
    const auto lines = screen_text(std::string(200, 'x') + " " + std::string(5000, 'y') +
                                   std::string(2000, ' ') + "words and words");
    for (const std::string& line : lines) {
        CHECK(line.size() <= 76);
    }
    std::string many;
    for (int i = 0; i < 1000; ++i) {
        many += "word ";
    }
    CHECK(screen_text(many).size() == 8);
}
