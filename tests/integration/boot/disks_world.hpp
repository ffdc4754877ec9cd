// A data directory with a server's disks over it, and logins to them: what the tests of this folder share.
#pragma once

#include "boot/disks.hpp"
#include "db/database.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <atomic>
#include <fstream>
#include <thread>

namespace rootstock::test {

using namespace rootstock::boot;
using iscsi::EndReason;
using iscsi::LoginStatus;

inline const Mac pc = *Mac::parse("52:54:00:aa:00:07");
inline const Mac new_pc = *Mac::parse("52:54:00:bb:00:07");
inline const Ipv4 somewhere = *Ipv4::parse("10.20.0.107");
inline constexpr iscsi::Isid ipxe_isid = {0x40, 0x00, 0x27, 0x23, 0x12, 0x34};
inline constexpr iscsi::Isid linux_isid = {0x00, 0x02, 0x3d, 0x00, 0x00, 0x01};

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

    TemporaryFolder folder;
    LeapingClock clock;
    SystemRandom random;
    NullLog log;
    std::unique_ptr<images::FileSystem> files = images::make_posix_file_system();
    std::unique_ptr<db::Database> database;
    std::unique_ptr<images::Store> store;
    std::unique_ptr<fleet::Registry> registry;
    std::unique_ptr<Disks> disks;
};

inline iscsi::LoginRequest login_of(std::uint32_t generation, iscsi::Isid isid = ipxe_isid) {
    iscsi::LoginRequest request;
    request.initiator_name =
        "iqn.2026-01.internal.rootstock:initiator." + std::to_string(generation) + ":lab1-07";
    request.target_name = "iqn.2026-01.internal.rootstock:machine.lab1-07";
    request.isid = isid;
    request.remote_address = somewhere.text();
    request.portal_address = "10.20.0.1:3260";
    return request;
}

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

} // namespace rootstock::test
