#include "assets/assets.hpp"
#include "boot/arch.hpp"
#include "boot/policy.hpp"
#include "support/catch.hpp"
#include "support/memory_fleet_store.hpp"
#include "support/temporary_folder.hpp"

#include <fstream>

using namespace rootstock;
using namespace rootstock::boot;
using namespace std::chrono_literals;

namespace {

const Mac pc = *Mac::parse("52:54:00:aa:00:07");
const Ipv4 address = *Ipv4::parse("10.20.0.107");
const std::string script_url = "http://10.20.0.1:8080/boot.ipxe?mac=52:54:00:aa:00:07";
const std::string loader_url = "http://10.20.0.1:8080/loaders/";

struct World {
    test::MemoryFleetStore store;
    SystemRandom random;
    ManualClock clock;
    NullLog log;
    fleet::Registry registry{store, random, clock};
    Clients clients{clock};
    Files files{registry, clients, log};
    Settings settings = [] {
        Settings made;
        made.address = *Ipv4::parse("10.20.0.1");
        return made;
    }();

    [[nodiscard]] Policy policy() { return {settings, registry, files, clients, log}; }
    void assign() {
        fleet::NewMachine machine{
            "lab1-07", {pc}, "win11", fleet::Mode::persistent, Ipv4::parse("10.20.0.7")};
        REQUIRE(registry.assign(machine, "test"));
    }
};

dhcp::ClientFacts firmware(std::uint16_t architecture) {
    dhcp::ClientFacts client;
    client.mac = pc;
    client.architecture = architecture;
    client.is_pxe = true;
    return client;
}

dhcp::ClientFacts http_firmware(std::uint16_t architecture) {
    dhcp::ClientFacts client = firmware(architecture);
    client.is_pxe = false;
    client.is_http_client = true;
    return client;
}

dhcp::ClientFacts ipxe(std::uint16_t architecture = 0) {
    dhcp::ClientFacts client = firmware(architecture);
    client.is_ipxe = client.ipxe_has_http = client.ipxe_has_iscsi = true;
    return client;
}

dhcp::ClientFacts operating_system() {
    dhcp::ClientFacts client;
    client.mac = pc;
    return client;
}

} // namespace

TEST_CASE("Policy: firmware gets the loader of its architecture, iPXE its script",
          "[boot][policy]") {
    struct Row {
        dhcp::ClientFacts client;
        std::string boot_file;
    };
    const std::vector<Row> rows = {
        {firmware(0), "undionly.kpxe"},
        {firmware(7), "snponly.efi"},
        {firmware(9), "snponly.efi"},
        {http_firmware(16), loader_url + "snponly.efi"},
        {http_firmware(15), loader_url + "snponly.efi"},
        {firmware(6), ""}, // not in the binary
        {firmware(11), ""},
        {http_firmware(19), ""},
        {firmware(33), ""}, // no such architecture
        {ipxe(0), script_url},
        {ipxe(7), script_url},
        {operating_system(), ""},
    };
    World world;
    for (const bool assigned : {false, true}) {
        if (assigned) {
            world.assign();
        }
        Policy policy = world.policy();
        for (const Row& row : rows) {
            INFO("architecture " << row.client.architecture.value_or(999) << " assigned "
                                 << assigned);
            const auto decision = policy.decide(row.client);
            CHECK(decision.answer);
            CHECK(decision.boot_file == row.boot_file);
            CHECK(decision.host_name == (assigned ? "lab1-07" : ""));
            CHECK(decision.reserved == (assigned ? Ipv4::parse("10.20.0.7") : std::nullopt));
        }
    }
}

TEST_CASE("Policy: without option 93 a PXE client is a BIOS", "[boot][policy]") {
    World world;
    auto client = firmware(0);
    client.architecture.reset();
    CHECK(world.policy().decide(client).boot_file == "undionly.kpxe");
}

TEST_CASE("Policy: a folder adds loaders and overrides those in the binary", "[boot][policy]") {
    test::TemporaryFolder folder;
    std::ofstream(folder.file("snponly-arm64.efi")) << "arm";
    std::ofstream(folder.file("snponly-i386.efi")) << "ia32";
    std::ofstream(folder.file("undionly.kpxe")) << "mine";
    World world;
    const auto files = images::make_posix_file_system();
    REQUIRE(world.files.load_overrides(*files, folder.path()));
    CHECK(world.policy().decide(firmware(11)).boot_file == "snponly-arm64.efi");
    CHECK(world.policy().decide(firmware(6)).boot_file == "snponly-i386.efi");
    CHECK(world.policy().decide(http_firmware(15)).boot_file == loader_url + "snponly-i386.efi");
    CHECK(as_text(world.files.find("undionly.kpxe", "10.20.0.107")->bytes) == "mine");
    CHECK(world.files.find("snponly.efi", "10.20.0.107")->bytes.size() ==
          assets::find("ipxe/snponly.efi")->size());
    CHECK_FALSE(world.files.find("../undionly.kpxe", "10.20.0.107"));
    CHECK_FALSE(world.files.find("web/index.html", "10.20.0.107"));
    CHECK_FALSE(world.files.load_overrides(*files, folder.file("not-there")));
}

TEST_CASE("Policy: what an unknown PC gets", "[boot][policy]") {
    struct Row {
        UnknownAction action;
        bool answers_firmware;
        std::string firmware_file, ipxe_file;
    };
    const std::vector<Row> rows = {
        {UnknownAction::wait, true, "undionly.kpxe", script_url},
        {UnknownAction::image, true, "undionly.kpxe", script_url},
        {UnknownAction::local_disk, true, "", script_url},
        {UnknownAction::ignore, false, "", ""},
    };
    for (const Row& row : rows) {
        World world;
        world.settings.unknown = row.action;
        Policy policy = world.policy();
        CHECK(policy.decide(firmware(0)).answer == row.answers_firmware);
        CHECK(policy.decide(firmware(0)).boot_file == row.firmware_file);
        CHECK(policy.decide(ipxe()).answer == row.answers_firmware);
        CHECK(policy.decide(ipxe()).boot_file == row.ipxe_file);
        CHECK(policy.decide(operating_system()).answer); // it only wants an address
        world.assign();
        CHECK(policy.decide(firmware(0)).boot_file == "undionly.kpxe");
    }
}

TEST_CASE("Policy: a replaced PC still gets an address and its script, but nothing of the machine",
          "[boot][policy]") {
    World world;
    world.assign();
    REQUIRE(world.registry.replace("lab1-07", *Mac::parse("52:54:00:bb:00:07"), "test"));
    const auto decision = world.policy().decide(ipxe());
    CHECK(decision.boot_file == script_url);
    CHECK(decision.host_name.empty());
    CHECK_FALSE(decision.reserved);
}

TEST_CASE("Policy: chain always gives our loader to a ROM that is iPXE, once a boot",
          "[boot][policy]") {
    World world;
    world.assign();
    world.settings.always_chain = true;
    Policy policy = world.policy();
    for (int boot = 0; boot < 3; ++boot) {
        INFO("boot " << boot);
        policy.seen_discover(ipxe()); // the ROM
        CHECK(policy.decide(ipxe()).boot_file == "undionly.kpxe");
        policy.seen_ack(ipxe(), address);
        world.files.delivered("undionly.kpxe", address.text());
        policy.seen_discover(ipxe()); // what it has loaded
        CHECK(policy.decide(ipxe()).boot_file == script_url);
        policy.seen_ack(ipxe(), address);
        CHECK(policy.decide(ipxe()).boot_file == script_url); // asked twice, answered the same
        world.clients.fetched_script(pc);
        world.clock.advance(30s); // and the PC is reset
    }
}

TEST_CASE("Policy: chain always never loops, whatever happens to the loader", "[boot][policy]") {
    World world;
    world.settings.always_chain = true;
    Policy policy = world.policy();
    int loaders = 0;
    while (policy.decide(ipxe()).boot_file != script_url) {
        policy.seen_ack(ipxe(), address);
        world.clock.advance(10s);
        REQUIRE(++loaders < 10);
    }
    CHECK(loaders == 3);
}

TEST_CASE("Policy: an iPXE that cannot speak iSCSI or HTTP is given ours", "[boot][policy]") {
    World world;
    Policy policy = world.policy();
    auto poor = ipxe(7);
    poor.ipxe_has_iscsi = false;
    CHECK(policy.decide(poor).boot_file == "snponly.efi");
    policy.seen_ack(poor, address);
    world.files.delivered("snponly.efi", address.text());
    CHECK(policy.decide(ipxe(7)).boot_file == script_url);
}

TEST_CASE("Policy: what was told to a PC is in its boot record", "[boot][policy]") {
    World world;
    world.assign();
    Policy policy = world.policy();
    policy.seen_discover(firmware(7));
    policy.seen_ack(firmware(7), address);
    world.files.delivered("snponly.efi", address.text());
    const auto boots = world.registry.boots(std::nullopt, 10);
    REQUIRE(boots.size() == 1);
    REQUIRE(boots[0].stages.size() == 3);
    CHECK(boots[0].stages[0].detail == "x86-64 UEFI");
    CHECK(boots[0].stages[1].detail == "10.20.0.107");
    CHECK(boots[0].stages[2].detail == "snponly.efi by TFTP");
}

TEST_CASE("Policy: a PC for which there is no loader has that in its boot record",
          "[boot][policy]") {
    World world;
    Policy policy = world.policy();
    policy.seen_discover(firmware(11));
    policy.seen_ack(firmware(11), address);
    const auto boots = world.registry.boots(std::nullopt, 10);
    REQUIRE(boots.size() == 1);
    CHECK(boots[0].stages.back().detail ==
          "10.20.0.107; cannot boot: snponly-arm64.efi is missing in the folder of loaders");
}

TEST_CASE("Policy: the DISCOVER of an operating system is no boot", "[boot][policy]") {
    World world;
    world.assign();
    Policy policy = world.policy();
    policy.seen_discover(operating_system());
    policy.seen_ack(operating_system(), address);
    CHECK(world.registry.boots(std::nullopt, 10).empty());
    CHECK(world.registry.unknown().empty());
}
