// Disks over the real database and the real store: who gets which disk, and what becomes of it.
#include "boot/disks.hpp"
#include "boot/limits.hpp"
#include "db/database.hpp"
#include "support/catch.hpp"
#include "support/scsi_host.hpp"
#include "support/temporary_folder.hpp"

#include <atomic>
#include <fstream>
#include <thread>

using namespace rootstock;
using namespace rootstock::boot;
using iscsi::EndReason;
using iscsi::LoginStatus;

namespace {

const Mac pc = *Mac::parse("52:54:00:aa:00:07");
const Mac new_pc = *Mac::parse("52:54:00:bb:00:07");
const Ipv4 somewhere = *Ipv4::parse("10.20.0.107");
constexpr iscsi::Isid ipxe_isid = {0x40, 0x00, 0x27, 0x23, 0x12, 0x34};
constexpr iscsi::Isid linux_isid = {0x00, 0x02, 0x3d, 0x00, 0x00, 0x01};

/// Time that a test may push on.
class LeapingClock final : public Clock {
  public:
    [[nodiscard]] TimePoint now() const override { return system_.now() + leapt_.load(); }
    [[nodiscard]] WallTime wall() const override { return system_.wall(); }
    void leap(Duration by) { leapt_ = leapt_.load() + by; }

  private:
    SystemClock system_;
    std::atomic<Duration> leapt_{Duration::zero()};
};

/// A data directory, and a server over it that can be started again.
struct World {
    World() {
        std::ofstream image(folder.file("image.raw"), std::ios::binary);
        const std::string block(512, 'M');
        for (int i = 0; i < 4096; ++i) {
            image.write(block.data(), static_cast<std::streamsize>(block.size()));
        }
        image.close();
        start();
        REQUIRE(store->import(folder.file("image.raw"),
                              "debian12",
                              [](const images::ImportProgress&) { return true; }));
    }
    ~World() { stop(); }

    void start() {
        auto opened = db::Database::open(folder.file("rootstock.db"), clock);
        REQUIRE(opened);
        database = std::move(*opened);
        auto disks_store =
            images::open_store(*files, folder.path(), database->images(), log, clock);
        REQUIRE(disks_store);
        store = std::move(*disks_store);
        registry = std::make_unique<fleet::Registry>(database->fleet(), random, clock);
        REQUIRE(registry->load());
        disks = std::make_unique<Disks>(Names{}, *registry, *store, database->reservations(), log, clock);
        REQUIRE(disks->refresh_volumes());
    }
    void stop() {
        if (disks) {
            disks->close_all();
        }
        disks.reset();
        registry.reset();
        store.reset();
        database.reset();
    }

    void assign(fleet::Mode mode) {
        fleet::NewMachine machine;
        machine.name = "lab1-07";
        machine.macs = {pc};
        machine.image = "debian12";
        machine.mode = mode;
        REQUIRE(registry->assign(machine, "test"));
    }
    fleet::Boot script(Mac mac = pc) {
        auto boot = registry->begin_disk_boot(mac);
        REQUIRE(boot);
        return *boot;
    }

    test::TemporaryFolder folder;
    LeapingClock clock;
    SystemRandom random;
    NullLog log;
    std::unique_ptr<images::FileSystem> files = images::make_posix_file_system();
    std::unique_ptr<db::Database> database;
    std::unique_ptr<images::Store> store;
    std::unique_ptr<fleet::Registry> registry;
    std::unique_ptr<Disks> disks;
};

iscsi::LoginRequest login_of(std::uint32_t generation, iscsi::Isid isid = ipxe_isid) {
    iscsi::LoginRequest request;
    request.initiator_name =
        "iqn.2026-01.internal.rootstock:initiator." + std::to_string(generation) + ":lab1-07";
    request.target_name = "iqn.2026-01.internal.rootstock:machine.lab1-07";
    request.isid = isid;
    request.remote_address = somewhere.text();
    request.portal_address = "10.20.0.1:3260";
    return request;
}

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
            test::CdbBuilder(0x5f).byte(1, action).byte(2, type).u32(5, list_size);
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
        const auto answer = session_.run(test::CdbBuilder(0x5e).u16(7, 512));
        REQUIRE(answer.good());
        std::vector<std::uint64_t> keys;
        for (std::size_t at = 8; at + 8 <= answer.data_in.size(); at += 8) {
            keys.push_back(from_bytes<be64>(Bytes(answer.data_in).subspan(at)).value());
        }
        return keys;
    }
    /// PTPL_C of REPORT CAPABILITIES.
    [[nodiscard]] bool can_persist() {
        const auto answer = session_.run(test::CdbBuilder(0x5e).byte(1, 2).u16(7, 512));
        REQUIRE(answer.good());
        return (answer.data_in.at(2) & 0x01U) != 0;
    }
    [[nodiscard]] scsi::Status write() {
        return session_.run(test::CdbBuilder(0x2a).u16(7, 1), ByteVector(512, 'W')).status;
    }

  private:
    static constexpr std::uint32_t list_size = 24;
    test::ScsiSession session_;
};

/// A session as the target holds it: ended from outside, it lets go of everything on another
/// thread.
struct LiveSession {
    LiveSession(World& world, const iscsi::LoginRequest& request, const fleet::Boot& boot) {
        auto opened = world.disks->open(request, chap_user("lab1-07", boot.id));
        REQUIRE(opened);
        target = std::move(*opened);
        target.lease->started([this](EndReason reason) {
            ended = reason;
            end_thread = std::thread([this] {
                target.units.clear();
                target.lease.reset();
            });
        });
    }
    ~LiveSession() {
        if (end_thread.joinable()) {
            end_thread.join();
        }
    }
    [[nodiscard]] block::BlockDevice& device() { return target.units.at(0).unit->device(); }
    [[nodiscard]] char first_byte() {
        ByteVector block(512);
        REQUIRE(device().read(0, block));
        return static_cast<char>(block[0]);
    }
    void write_first(char byte) {
        REQUIRE(device().write(0, ByteVector(512, static_cast<std::uint8_t>(byte)), false));
    }

    iscsi::Target target;
    std::optional<EndReason> ended;
    std::thread end_thread;
};

std::vector<fleet::Stage> stages_of(const fleet::Boot& boot) {
    std::vector<fleet::Stage> stages;
    for (const fleet::StageTime& stage : boot.stages) {
        stages.push_back(stage.stage);
    }
    return stages;
}

} // namespace

TEST_CASE("Disks: who may log in to a machine's disk", "[boot][disks]") {
    World world;
    world.assign(fleet::Mode::persistent);
    const auto boot = world.script();
    const auto authorize = [&](iscsi::LoginRequest request) {
        return world.disks->authorize(request);
    };
    REQUIRE(authorize(login_of(1)));
    CHECK(authorize(login_of(1))->chap_required);
    CHECK(authorize(login_of(2)).error() == LoginStatus::authorization_failure);
    auto stranger = login_of(1);
    stranger.initiator_name = "iqn.1993-08.org.debian:01:abcdef";
    CHECK(authorize(stranger).error() == LoginStatus::authorization_failure);
    auto elsewhere = login_of(1);
    elsewhere.target_name = "iqn.2026-01.internal.rootstock:machine.lab1-08";
    CHECK(authorize(elsewhere).error() == LoginStatus::not_found);
    elsewhere.target_name = "iqn.2026-01.internal.rootstock:nonsense";
    CHECK(authorize(elsewhere).error() == LoginStatus::not_found);

    CHECK(world.disks->chap_secret(login_of(1), chap_user("lab1-07", boot.id)) == boot.chap_secret);
    CHECK_FALSE(world.disks->chap_secret(login_of(1), chap_user("lab1-07", boot.id + 1)));
    CHECK_FALSE(world.disks->chap_secret(login_of(1), "lab1-07"));
    CHECK_FALSE(world.disks->chap_secret(stranger, chap_user("lab1-07", boot.id)));
    CHECK(world.disks->open(login_of(1), "").error() == LoginStatus::authorization_failure);

    CHECK(world.disks->discover(login_of(1)).size() == 1);
    CHECK(world.disks->discover(stranger).empty());
}

TEST_CASE("Disks: a boot's sessions share one disk and write its record", "[boot][disks]") {
    World world;
    world.assign(fleet::Mode::persistent);
    const auto boot = world.script();
    LiveSession firmware(world, login_of(1), boot);
    CHECK(firmware.first_byte() == 'M');
    firmware.target.lease->first_read();
    LiveSession system(world, login_of(1, linux_isid), boot);
    CHECK(&system.device() == &firmware.device());
    CHECK_FALSE(firmware.ended);
    system.target.lease->first_write();
    CHECK(world.disks->sessions().size() == 2);
    const auto record = world.registry->boot(boot.id);
    using fleet::Stage;
    CHECK(stages_of(*record) ==
          std::vector<Stage>{
              Stage::script, Stage::login, Stage::first_read, Stage::os_login, Stage::running});
    CHECK(record->outcome == fleet::BootOutcome::running);
}

TEST_CASE("Disks: a write of the firmware's session is no running system", "[boot][disks]") {
    World world;
    world.assign(fleet::Mode::persistent);
    const auto boot = world.script();
    LiveSession firmware(world, login_of(1), boot);
    firmware.target.lease->first_write();
    CHECK(world.registry->boot(boot.id)->outcome == fleet::BootOutcome::in_progress);
}

TEST_CASE("Disks: a newer boot takes the disk over, the older one cannot come back",
          "[boot][disks]") {
    World world;
    world.assign(fleet::Mode::persistent);
    const auto first = world.script();
    LiveSession older(world, login_of(1, linux_isid), first);
    older.write_first('W');
    const auto second = world.script();
    REQUIRE(second.id > first.id);
    CHECK_FALSE(older.ended); // a script alone ends nothing
    LiveSession newer(world, login_of(1), second);
    CHECK(older.ended == EndReason::replaced_by_newer);
    CHECK(newer.first_byte() == 'W');
    CHECK(world.disks->open(login_of(1, linux_isid), chap_user("lab1-07", first.id)).error() ==
          LoginStatus::authorization_failure);
    CHECK(world.registry->boot(first.id)->outcome == fleet::BootOutcome::ended);
}

TEST_CASE("Disks: mode reset forgets at a new boot, keeps at a reconnect, also over a restart of "
          "the server",
          "[boot][disks]") {
    World world;
    world.assign(fleet::Mode::reset);
    const auto first = world.script();
    {
        LiveSession firmware(world, login_of(1), first);
        LiveSession system(world, login_of(1, linux_isid), first);
        system.write_first('W');
    }
    {
        LiveSession again(world, login_of(1, linux_isid), first);
        CHECK(again.first_byte() == 'W');
    }
    world.stop();
    world.start();
    {
        LiveSession again(world, login_of(1, linux_isid), first);
        CHECK(again.first_byte() == 'W');
    }
    const auto second = world.script();
    LiveSession anew(world, login_of(1), second);
    CHECK(anew.first_byte() == 'M');
}

TEST_CASE("Disks: mode reset: whose disk it is, is durable before the first write", "[boot][disks]") {
    World world;
    world.assign(fleet::Mode::reset);
    const auto boot = world.script();
    const LiveSession firmware(world, login_of(1), boot);
    const auto stored = world.database->fleet().load_boots(std::nullopt, 1); // long before a lazy write
    REQUIRE(stored);
    CHECK(stages_of(stored->at(0)).back() == fleet::Stage::login);
}

TEST_CASE("Disks: a replaced PC is cut off, and its successor has the disk", "[boot][disks]") {
    World world;
    world.assign(fleet::Mode::persistent);
    const auto before = world.script();
    LiveSession old(world, login_of(1, linux_isid), before);
    old.write_first('W');
    REQUIRE(world.registry->replace("lab1-07", new_pc, "test"));
    CHECK(old.ended == EndReason::fenced);
    CHECK(world.disks->authorize(login_of(1)).error() == LoginStatus::authorization_failure);
    CHECK_FALSE(world.disks->chap_secret(login_of(1), chap_user("lab1-07", before.id)));
    CHECK_FALSE(world.disks->chap_secret(login_of(2), chap_user("lab1-07", before.id)));
    LiveSession successor(world, login_of(2), world.script(new_pc));
    CHECK(successor.first_byte() == 'W');
}

TEST_CASE("Disks: a machine replaced between open and the start of its session is cut off as well",
          "[boot][disks]") {
    World world;
    world.assign(fleet::Mode::persistent);
    auto opened = world.disks->open(login_of(1), chap_user("lab1-07", world.script().id));
    REQUIRE(opened);
    REQUIRE(world.registry->replace("lab1-07", new_pc, "test"));
    std::optional<EndReason> ended;
    opened->lease->started([&](EndReason reason) { ended = reason; });
    CHECK(ended == EndReason::fenced);
}

TEST_CASE(
    "Disks: a thrown away disk is new at the next boot, and not for the system that ran on it",
    "[boot][disks]") {
    World world;
    world.assign(fleet::Mode::persistent);
    const auto first = world.script();
    LiveSession running(world, login_of(1, linux_isid), first);
    running.write_first('W');
    REQUIRE(world.disks->discard_machine_disk("lab1-07"));
    CHECK(running.ended == EndReason::target_removed);
    CHECK_FALSE(world.disks->chap_secret(login_of(1), chap_user("lab1-07", first.id)));
    LiveSession anew(world, login_of(1), world.script());
    CHECK(anew.first_byte() == 'M');
}

TEST_CASE("Disks: a removed machine's sessions end", "[boot][disks]") {
    World world;
    world.assign(fleet::Mode::persistent);
    LiveSession running(world, login_of(1), world.script());
    REQUIRE(world.registry->remove("lab1-07", "test"));
    CHECK(running.ended == EndReason::fenced);
    CHECK(world.disks->authorize(login_of(1)).error() == LoginStatus::not_found);
}

TEST_CASE("Disks: what cannot be opened fails the boot, and its record says why", "[boot][disks]") {
    World world;
    fleet::NewMachine machine;
    machine.name = "lab1-07";
    machine.macs = {pc};
    machine.image = "not-there";
    REQUIRE(world.registry->assign(machine, "test"));
    const auto boot = world.script();
    CHECK(world.disks->open(login_of(1), chap_user("lab1-07", boot.id)).error() ==
          LoginStatus::target_error);
    const auto record = world.registry->boot(boot.id);
    CHECK(record->outcome == fleet::BootOutcome::failed);
    CHECK_THAT(record->reason, Catch::Contains("not-there"));
}

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
