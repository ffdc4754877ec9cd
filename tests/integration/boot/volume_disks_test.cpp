// Disks over the real database and the real store: volumes, their CHAP, and persistent reservations.
#include "boot/limits.hpp"
#include "disks_world.hpp"
#include "support/iso_file.hpp"
#include "support/scsi_host.hpp"

using namespace rootstock;
using namespace rootstock::test;

namespace {

constexpr const char* volume_target = "iqn.2026-01.internal.rootstock:volume.data";
constexpr const char* node_a = "iqn.2026-01.test:node-a,i,0x00023d000001";
constexpr const char* node_b = "iqn.2026-01.test:node-b,i,0x00023d000001";

/// A login to the unit of an open target, which sends PERSISTENT RESERVE commands.
class Reserver {
  public:
    Reserver(const iscsi::Target& target, const char* initiator_port)
        : session_(target.units.at(0).unit, initiator_port) {}

    [[nodiscard]] scsi::Status
    out(unsigned action, unsigned type, std::uint64_t key, std::uint64_t action_key, bool aptpl) {
        const ByteVector cdb =
            CdbBuilder(0x5f).byte(1, action).byte(2, type).u32(5, list_size);
        ByteVector list(list_size);
        ByteWriter writer(list);
        writer.patch(0, be64(key));
        writer.patch(8, be64(action_key));
        list[20] = aptpl ? 1 : 0;
        return session_.run(cdb, list).status;
    }
    [[nodiscard]] scsi::Status enrol(std::uint64_t key, bool aptpl) {
        return out(0x00, 0, 0, key, aptpl);
    }
    /// READ KEYS, without the generation.
    [[nodiscard]] std::vector<std::uint64_t> keys() {
        const auto answer = session_.run(CdbBuilder(0x5e).u16(7, 512));
        REQUIRE(answer.good());
        std::vector<std::uint64_t> keys;
        for (std::size_t at = 8; at + 8 <= answer.data_in.size(); at += 8) {
            keys.push_back(from_bytes<be64>(Bytes(answer.data_in).subspan(at)).value());
        }
        return keys;
    }
    /// PTPL_C of REPORT CAPABILITIES.
    [[nodiscard]] bool can_persist() {
        const auto answer = session_.run(CdbBuilder(0x5e).byte(1, 2).u16(7, 512));
        REQUIRE(answer.good());
        return (answer.data_in.at(2) & 0x01U) != 0;
    }
    [[nodiscard]] scsi::Status write() {
        return session_.run(CdbBuilder(0x2a).u16(7, 1), ByteVector(512, 'W')).status;
    }

  private:
    static constexpr std::uint32_t list_size = 24;
    ScsiSession session_;
};

} // namespace

TEST_CASE("Disks: a volume is for those on its list", "[boot][disks]") {
    World world;
    world.assign(fleet::Mode::persistent);
    REQUIRE(world.store->create_volume("data", 64 << 20, {"lab1-07"}));
    REQUIRE(world.disks->refresh_volumes());
    auto request = login_of(1, linux_isid);
    request.target_name = "iqn.2026-01.internal.rootstock:volume.data";
    REQUIRE(world.disks->authorize(request));
    CHECK_FALSE(world.disks->authorize(request)->chap_required);
    CHECK(world.disks->discover(request).size() == 2);
    auto stranger = request;
    stranger.initiator_name = "iqn.1993-08.org.debian:01:abcdef";
    CHECK(world.disks->open(stranger, "").error() == LoginStatus::authorization_failure);
    auto opened = world.disks->open(request, "");
    REQUIRE(opened);
    std::optional<EndReason> ended;
    opened->lease->started([&](EndReason reason) { ended = reason; });
    CHECK(world.disks->release_volume("data").error().code == std::errc::device_or_resource_busy);

    REQUIRE(world.store->change_volume(
        "data", {.initiators = std::vector<std::string>{"iqn.1993-08.org.debian:01:abcdef"}}));
    REQUIRE(world.disks->refresh_volumes());
    CHECK(ended == EndReason::target_removed);
    opened->units.clear();
    opened->lease.reset();
    CHECK(world.disks->open(request, "").error() == LoginStatus::authorization_failure);
    CHECK(world.disks->open(stranger, ""));
    auto missing = request;
    missing.target_name = "iqn.2026-01.internal.rootstock:volume.other";
    CHECK(world.disks->open(missing, "").error() == LoginStatus::not_found);
    REQUIRE(world.disks->release_volume("data"));
    REQUIRE(world.store->remove_volume("data"));
}

TEST_CASE("Disks: a volume's reservation with APTPL survives the server, others end with it",
          "[boot][disks][reservations]") {
    World world;
    REQUIRE(world.store->create_volume("data", 64 << 20, {"*"}));
    REQUIRE(world.disks->refresh_volumes());
    auto request = login_of(1, linux_isid);
    request.target_name = volume_target;
    const auto open = [&] {
        auto opened = world.disks->open(request, "");
        REQUIRE(opened);
        return std::move(*opened);
    };
    const bool aptpl = GENERATE(true, false);
    {
        const auto target = open();
        Reserver a(target, node_a);
        CHECK(a.can_persist());
        REQUIRE(a.enrol(0xaaaa, aptpl) == scsi::Status::good);
        REQUIRE(a.out(0x01, 0x05, 0xaaaa, 0, false) == scsi::Status::good); // write exclusive, registrants only
    }
    world.stop(); // after a kill the database holds the same: save() returned before GOOD
    world.start();
    const auto target = open();
    Reserver a(target, node_a);
    Reserver b(target, node_b);
    CHECK(a.keys() == (aptpl ? std::vector<std::uint64_t>{0xaaaa} : std::vector<std::uint64_t>()));
    CHECK(a.write() == scsi::Status::good);
    CHECK(b.write() == (aptpl ? scsi::Status::reservation_conflict : scsi::Status::good));
}

TEST_CASE("Disks: a registered volume stays open without sessions", "[boot][disks][reservations]") {
    World world;
    REQUIRE(world.store->create_volume("data", 64 << 20, {"*"}));
    REQUIRE(world.disks->refresh_volumes());
    auto request = login_of(1, linux_isid);
    request.target_name = volume_target;
    {
        const auto target = world.disks->open(request, "");
        REQUIRE(target);
        REQUIRE(Reserver(*target, node_a).enrol(0xaaaa, false) == scsi::Status::good);
    }
    world.clock.leap(2 * idle_disk_close);
    world.disks->close_idle();
    const auto target = world.disks->open(request, "");
    REQUIRE(target);
    CHECK(Reserver(*target, node_b).keys() == std::vector<std::uint64_t>{0xaaaa});
}

TEST_CASE("Disks: a removed volume takes its reservations with it", "[boot][disks][reservations]") {
    World world;
    auto request = login_of(1, linux_isid);
    request.target_name = volume_target;
    for (int round = 0; round < 2; ++round) {
        REQUIRE(world.store->create_volume("data", 64 << 20, {"*"}));
        REQUIRE(world.disks->refresh_volumes());
        {
            const auto target = world.disks->open(request, "");
            REQUIRE(target);
            CHECK(Reserver(*target, node_b).keys().empty());
            REQUIRE(Reserver(*target, node_a).enrol(0xaaaa, true) == scsi::Status::good);
        }
        REQUIRE(world.disks->release_volume("data"));
        REQUIRE(world.store->remove_volume("data"));
    }
}

TEST_CASE("Disks: a machine's reservations last as long as its boot",
          "[boot][disks][reservations]") {
    World world;
    world.assign(fleet::Mode::persistent);
    const auto first = world.script();
    {
        LiveSession system(world, login_of(1, linux_isid), first);
        REQUIRE(Reserver(system.target, node_a).enrol(0xaaaa, true) == scsi::Status::good);
    }
    world.stop();
    world.start();
    {
        LiveSession system(world, login_of(1, linux_isid), first);
        CHECK(Reserver(system.target, node_b).keys() == std::vector<std::uint64_t>{0xaaaa});
    }
    LiveSession anew(world, login_of(1), world.script());
    CHECK(Reserver(anew.target, node_b).keys().empty());
}

TEST_CASE("Disks: CHAP of a volume and of discovery", "[boot][disks][chap]") {
    World world;
    images::VolumeOptions options;
    options.chap = {"backup", "at least 12 bytes"};
    options.mutual_chap = {"rootstock", "quite another one"};
    REQUIRE(world.store->create_volume("data", 64 << 20, {"*"}, options));
    REQUIRE(world.disks->refresh_volumes());
    auto request = login_of(1, linux_isid);
    request.target_name = volume_target;
    const auto asked = world.disks->authorize(request);
    REQUIRE(asked);
    CHECK(asked->chap_required);
    CHECK(asked->mutual_user == "rootstock");
    CHECK(asked->mutual_secret == "quite another one");
    CHECK(world.disks->chap_secret(request, "backup") == "at least 12 bytes");
    CHECK_FALSE(world.disks->chap_secret(request, "rootstock"));
    CHECK_FALSE(world.disks->chap_secret(request, ""));
    CHECK(world.disks->open(request, "").error() == LoginStatus::authentication_failure);
    CHECK(world.disks->open(request, "backup"));

    REQUIRE(world.store->change_volume(
        "data", {.chap = images::ChapIdentity{}, .mutual_chap = images::ChapIdentity{}}));
    CHECK(world.disks->open(request, "backup").error() == LoginStatus::authentication_failure);
    REQUIRE(world.disks->refresh_volumes());
    CHECK_FALSE(world.disks->authorize(request)->chap_required);

    auto discovery = request;
    discovery.target_name.clear();
    CHECK_FALSE(world.disks->authorize(discovery)->chap_required);
    Disks guarded(Names{},
                  *world.registry,
                  *world.store,
                  world.database->reservations(),
                  world.log,
                  world.clock,
                  {options.chap, options.mutual_chap});
    CHECK(guarded.authorize(discovery)->chap_required);
    CHECK(guarded.authorize(discovery)->mutual_user == "rootstock");
    CHECK(guarded.chap_secret(discovery, "backup") == "at least 12 bytes");
    CHECK_FALSE(guarded.chap_secret(discovery, "other"));
}

TEST_CASE("Disks: a volume's list may name addresses, and network cards by their lease",
          "[boot][disks]") {
    World world;
    REQUIRE(world.store->create_volume("data", 64 << 20, {pc.text()}));
    REQUIRE(world.store->create_volume("lab", 64 << 20, {"10.20.0.0/16"}));
    Disks disks(Names{},
                *world.registry,
                *world.store,
                world.database->reservations(),
                world.log,
                world.clock,
                {},
                [](Ipv4 address) { return address == somewhere ? std::optional(pc) : std::nullopt; });
    REQUIRE(disks.refresh_volumes());
    auto request = login_of(1, linux_isid);
    CHECK(disks.discover(request).size() == 2);
    request.target_name = volume_target;
    CHECK(disks.open(request, ""));
    request.remote_address = "10.20.0.108";
    CHECK(disks.discover(request).size() == 1);
    CHECK(disks.open(request, "").error() == LoginStatus::authorization_failure);
}

TEST_CASE("Disks: a volume that becomes read-only is opened anew", "[boot][disks]") {
    World world;
    REQUIRE(world.store->create_volume("data", 64 << 20, {"*"}));
    REQUIRE(world.disks->refresh_volumes());
    auto request = login_of(1, linux_isid);
    request.target_name = volume_target;
    {
        auto opened = world.disks->open(request, "");
        REQUIRE(opened);
        CHECK(Reserver(*opened, node_a).write() == scsi::Status::good);
    }
    REQUIRE(world.store->change_volume("data", {.read_only = true}));
    REQUIRE(world.disks->refresh_volumes());
    const auto opened = world.disks->open(request, "");
    REQUIRE(opened);
    CHECK(opened->units.at(0).unit->device().geometry().read_only);
    CHECK(Reserver(*opened, node_a).write() == scsi::Status::check_condition);
}

TEST_CASE("Disks: a volume that grows tells its sessions", "[boot][disks][grow]") {
    World world;
    REQUIRE(world.store->create_volume("data", 64 << 20, {"*"}));
    REQUIRE(world.disks->refresh_volumes());
    auto request = login_of(1, linux_isid);
    request.target_name = volume_target;
    const auto opened = world.disks->open(request, "");
    REQUIRE(opened);
    ScsiSession session(opened->units.at(0).unit, node_a);
    REQUIRE(session.run(CdbBuilder(0x00)).good());
    REQUIRE(world.store->grow_volume("data", 128 << 20));
    REQUIRE(world.disks->refresh_volumes());
    CHECK(session.run(CdbBuilder(0x00)).kcq() == 0x062a09); // CAPACITY DATA HAS CHANGED
    const auto capacity = session.run(CdbBuilder(0x25));
    REQUIRE(capacity.good());
    CHECK(from_bytes<be32>(Bytes(capacity.data_in)).value() == (128 << 20) / 512 - 1);
}

TEST_CASE("Disks: a volume of an ISO image is a CD-ROM, and another image is another medium", "[boot][disks][iso]") {
    World world;
    REQUIRE(world.store->create_volume("data", 0, {"*"}, images::cdrom_options(write_iso(world.folder, "a.iso", 40 << 10, 'A'))));
    REQUIRE(world.disks->refresh_volumes());
    auto request = login_of(1, linux_isid);
    request.target_name = volume_target;
    const auto clear_attentions = [](ScsiSession& session) {
        for (int i = 0; i < 8 && !session.run(CdbBuilder(0x00)).good(); ++i) { // TEST UNIT READY
        }
    };
    const auto first_byte = [](ScsiSession& session) {
        const auto read = session.run(CdbBuilder(0x28).u16(7, 1)); // READ(10)
        REQUIRE(read.good());
        CHECK(read.data_in.size() == 2048);
        return static_cast<char>(read.data_in.at(0));
    };
    {
        const auto target = world.disks->open(request, "");
        REQUIRE(target);
        ScsiSession session(target->units.at(0).unit, node_a);
        clear_attentions(session);
        CHECK((session.run(CdbBuilder(0x12).u16(3, 36)).data_in.at(0) & 0x1fU) == 5); // CD/DVD device
        CHECK(first_byte(session) == 'A');
    }
    REQUIRE(world.store->change_volume("data", {.iso = write_iso(world.folder, "b.iso", 40 << 10, 'B')}));
    REQUIRE(world.disks->refresh_volumes());
    const auto target = world.disks->open(request, "");
    REQUIRE(target);
    ScsiSession session(target->units.at(0).unit, node_a);
    clear_attentions(session);
    CHECK(first_byte(session) == 'B');
}

TEST_CASE("Disks: logins to a volume that was moved are sent on, if they may use it", "[boot][disks][move]") {
    World world;
    REQUIRE(world.store->create_volume("data", 64 << 20, {"10.20.0.0/16"}));
    REQUIRE(world.disks->refresh_volumes());
    auto request = login_of(1, linux_isid);
    request.target_name = volume_target;
    CHECK(world.disks->authorize(request)->moved_to.empty());
    REQUIRE(world.store->change_volume("data", {.moved_to = "10.20.0.2:3260"}));
    REQUIRE(world.disks->refresh_volumes());
    CHECK(world.disks->authorize(request)->moved_to == "10.20.0.2:3260");
    request.remote_address = "10.30.0.1";
    CHECK(world.disks->authorize(request)->moved_to.empty());
    CHECK(world.disks->open(request, "").error() == LoginStatus::authorization_failure);
}
