// Versions over a real data directory and database: writing the next one, publishing, releasing, taking back; and what a crash in between leaves.
#include "disks_world.hpp"

#include "boot/versions.hpp"

using namespace rootstock;
using namespace rootstock::test;
using Catch::Contains;
using fleet::BootOutcome;
using fleet::Mode;

namespace {

/// The world of the disks, with versions over it.
struct VersionWorld : World {
    VersionWorld() { begin(); }
    ~VersionWorld() { versions.reset(); }

    void begin() {
        versions = std::make_unique<Versions>(*disks, *registry, *store, database->releases(), *files, log, clock);
        disks->choose_versions_by([this](const fleet::Machine& machine) { return versions->choose(machine); });
        REQUIRE(versions->recover());
    }
    void restart() {
        versions.reset();
        stop();
        start();
        begin();
    }
    /// Boots, does `work` on the disk, is switched off.
    template <class Work> void boot(Work work) {
        const auto now = script();
        LiveSession session(*this, login_of(1, linux_isid), now);
        work(session);
    }
    char boots_from() {
        char byte = 0;
        boot([&](LiveSession& session) { byte = session.first_byte(); });
        return byte;
    }
    void write(char byte) {
        boot([&](LiveSession& session) { session.write_first(byte); });
    }
    [[nodiscard]] fleet::Machine machine() const { return *registry->view()->find("lab1-07"); }
    std::uint32_t current() {
        std::uint32_t number = 0;
        for (const images::ImageVersion& version : *store->versions()) {
            number = version.current ? version.number : number;
        }
        return number;
    }
    Publication publish(const ReleaseWish& wish = {}) {
        auto published = versions->publish("debian12", wish, "test", {});
        INFO((published ? "" : published.error().what));
        REQUIRE(published);
        return *published;
    }
    void begin_update(bool discard = false) {
        const auto begun = versions->begin_update("debian12", "lab1-07", discard, "test");
        INFO((begun ? "" : begun.error().what));
        REQUIRE(begun);
    }
    std::uint32_t rebase(std::optional<std::uint32_t> to) {
        const auto version = versions->rebase("lab1-07", to, "test");
        INFO((version ? "" : version.error().what));
        REQUIRE(version);
        return *version;
    }
    void assign_another(const char* name, const char* mac) {
        fleet::NewMachine another;
        another.name = name;
        another.macs = {*Mac::parse(mac)};
        another.image = "debian12";
        another.mode = Mode::reset;
        REQUIRE(registry->assign(another, "test"));
    }

    std::unique_ptr<Versions> versions;
};

template <class T> std::string error_of(const Result<T>& result) { return result ? "" : result.error().what; }

} // namespace

TEST_CASE("What the machine in maintenance wrote becomes the next version, and the machine gets its own disk back", "[versions]") {
    VersionWorld world;
    world.assign(Mode::persistent);
    world.write('P');
    const auto begun = world.versions->begin_update("debian12", "lab1-07", false, "test");
    REQUIRE(begun);
    CHECK(begun->version == 1);
    CHECK(begun->kept);
    CHECK(world.machine().mode == Mode::maintenance);
    CHECK(world.boots_from() == 'M');
    world.write('N');

    const auto preview = world.versions->preview("debian12", {});
    REQUIRE(preview);
    CHECK(preview->changes.changed_bytes == 512);
    CHECK(preview->release.version == 2);
    CHECK(world.current() == 1);

    const Publication published = world.publish();
    CHECK(published.machine == "lab1-07");
    CHECK(published.base == 1);
    CHECK(published.release.version == 2);
    CHECK(published.changes.outside_bytes == 512);
    CHECK(world.current() == 2);
    CHECK(world.machine().mode == Mode::persistent);
    CHECK(world.boots_from() == 'P');
    REQUIRE(world.disks->discard_machine_disk("lab1-07"));
    CHECK(world.boots_from() == 'N');
}

TEST_CASE("A machine that runs is neither taken for an update nor published, and only one machine writes", "[versions]") {
    VersionWorld world;
    world.assign(Mode::persistent);
    world.assign_another("lab1-08", "52:54:00:aa:00:08");
    world.boot([&](LiveSession&) { CHECK_THAT(error_of(world.versions->begin_update("debian12", "lab1-07", false, "test")), Contains("in use; switch it off")); });
    CHECK(world.machine().mode == Mode::persistent);
    world.begin_update();
    CHECK_THAT(error_of(world.versions->begin_update("debian12", "lab1-08", false, "test")), Contains("lab1-07 writes the next version"));
    CHECK_THAT(error_of(world.versions->publish("debian12", {}, "test", {})), Contains("no disk of its own yet"));
    world.boot([&](LiveSession& session) {
        session.write_first('N');
        CHECK_THAT(error_of(world.versions->publish("debian12", {}, "test", {})), Contains("in use; switch it off"));
    });
    fleet::MachineChange change;
    change.mode = Mode::reset;
    CHECK_THAT(error_of(world.registry->change("lab1-07", change, "test")), Contains("publish it"));
    CHECK_FALSE(world.registry->remove("lab1-07", "test"));
    world.publish();
    CHECK(world.registry->change("lab1-07", change, "test"));
}

TEST_CASE("An update that is given up leaves everything as it was", "[versions]") {
    VersionWorld world;
    world.assign(Mode::persistent);
    world.write('P');
    world.begin_update();
    world.write('N');
    REQUIRE(world.versions->cancel_update("debian12", "test"));
    CHECK(world.boots_from() == 'P');
    CHECK(world.current() == 1);
    CHECK_THAT(error_of(world.versions->cancel_update("debian12", "test")), Contains("no machine writes"));

    world.begin_update(true);
    CHECK(world.boots_from() == 'M');
    REQUIRE(world.versions->cancel_update("debian12", "test"));
    CHECK(world.boots_from() == 'M');
}

TEST_CASE("Reset machines move with a release, for machines or by time, and back with a rollback", "[versions]") {
    VersionWorld world;
    world.assign(Mode::reset);
    CHECK(world.boots_from() == 'M');
    world.begin_update();
    world.write('N');
    ReleaseWish tomorrow;
    tomorrow.at = world.clock.wall() + std::chrono::hours(24);
    const Publication published = world.publish(tomorrow);
    CHECK(world.current() == 1);
    CHECK(world.machine().mode == Mode::reset);
    CHECK(world.boots_from() == 'M');

    ReleaseWish canary;
    canary.audience = images::Audience::machines;
    canary.machines = {"lab1-07"};
    REQUIRE(world.versions->release("debian12", std::nullopt, canary, "test"));
    CHECK(world.current() == 1);
    CHECK(world.boots_from() == 'N');
    CHECK(world.registry->boots(world.machine().id, 1).front().version == 2);

    REQUIRE(world.versions->release("debian12", 2, {}, "test"));
    CHECK(world.current() == 2);
    REQUIRE(world.versions->roll_back("debian12", 1, "test"));
    CHECK(world.current() == 1);
    CHECK(world.boots_from() == 'M');
    for (const images::Release& release : *world.versions->releases()) {
        CHECK(release.state != images::ReleaseState::active);
    }
    world.begin_update();
    CHECK(world.boots_from() == 'N'); // on the newest version, not on the current one
    world.write('O');
    CHECK(world.publish().release.version == 3);
}

TEST_CASE("A release whose boots fail is taken back by itself", "[versions]") {
    VersionWorld world;
    world.assign(Mode::reset);
    world.begin_update();
    world.write('N');
    ReleaseWish wish;
    wish.watch.minimum_boots = 3;
    world.publish(wish);
    REQUIRE(world.current() == 2);
    for (int i = 0; i < 3; ++i) { // logs in, reads, and never runs; the next boot ends it
        CHECK(world.boots_from() == 'N');
        world.versions->tick();
        CHECK(world.current() == 2);
    }
    world.script();
    CHECK(world.boots_from() == 'N');
    world.versions->tick();
    CHECK(world.current() == 1);
    const images::Release release = world.versions->releases()->back();
    CHECK(release.state == images::ReleaseState::rolled_back);
    CHECK_THAT(release.detail, Contains("3 of 3 boots on version 2"));
    CHECK(world.boots_from() == 'M');
}

TEST_CASE("A disk moves to another version only when it holds nothing that differs", "[versions]") {
    VersionWorld world;
    world.assign(Mode::persistent);
    CHECK(world.boots_from() == 'M');
    world.assign_another("lab1-08", "52:54:00:aa:00:08");
    REQUIRE(world.versions->begin_update("debian12", "lab1-08", false, "test"));
    {
        auto disk = world.store->open_machine_disk("lab1-08", "debian12", images::OverlayKind::persistent, 1);
        REQUIRE(disk);
        REQUIRE((*disk)->write(0, ByteVector(512, 'N'), false));
    }
    world.publish();
    CHECK(world.boots_from() == 'M');
    CHECK(world.rebase({}) == 2);
    CHECK(world.boots_from() == 'N');
    CHECK_THAT(error_of(world.versions->rebase("lab1-07", 2, "test")), Contains("already"));
    CHECK(world.rebase(1) == 1);
    world.write('P');
    CHECK_THAT(error_of(world.versions->rebase("lab1-07", 2, "test")),
               Contains("512 B outside of partitions") && Contains("machine reset lab1-07") && Contains("image promote --machine lab1-07"));
    world.write('M'); // what version 1 has there: nothing of its own
    CHECK(world.rebase(2) == 2);
    CHECK(world.boots_from() == 'N');
    CHECK(world.rebase(1) == 1);
    world.write('N'); // what version 2 has there, too
    CHECK(world.rebase(2) == 2);
}

TEST_CASE("Any persistent disk becomes a version of its image or of a new one, and its machine goes on", "[versions]") {
    VersionWorld world;
    world.assign(Mode::persistent);
    world.write('P');
    const auto mine = world.versions->promote("lab1-07", "debian12", {}, "test", {});
    REQUIRE(mine);
    CHECK(mine->release.version == 2);
    CHECK(world.current() == 2);
    CHECK(world.boots_from() == 'P');
    world.write('Q');
    const auto other = world.versions->promote("lab1-07", "cad", {}, "test", {});
    REQUIRE(other);
    CHECK(other->release.version == 1);
    CHECK(world.boots_from() == 'Q');
    CHECK(world.current() == 2);
}

TEST_CASE("Versions that nobody needs go, and say what they free", "[versions]") {
    VersionWorld world;
    for (int i = 0; i < 3; ++i) {
        REQUIRE(world.store->import({world.folder.file("image.raw")}, "debian12", [](const images::ImportProgress&) { return true; }));
    }
    const auto shown = world.versions->prune("debian12", 2, true, "test");
    REQUIRE(shown);
    REQUIRE(shown->versions.size() == 4);
    CHECK(shown->versions.at(0).kept_because.empty());
    CHECK(shown->versions.at(0).stored_bytes > 0);
    CHECK(shown->gain.now_bytes == shown->versions.at(0).stored_bytes + shown->versions.at(1).stored_bytes);
    CHECK(shown->gain.merged_bytes == 0); // each stands alone
    CHECK(world.store->versions()->size() == 4);
    REQUIRE(world.versions->prune("debian12", 2, false, "test"));
    const auto left = world.store->versions();
    REQUIRE(left->size() == 2);
    CHECK(left->at(0).number == 3);
    CHECK_FALSE(world.files->exists(world.folder.file("images/debian12/v0001.vhdx")));
}

TEST_CASE("A crash between the store and the registry is brought to its end at the next start", "[versions]") {
    VersionWorld world;
    world.assign(Mode::persistent);
    world.write('P');
    SECTION("an update that had not begun for the machine is undone") {
        REQUIRE(world.disks->release_machine_disk("lab1-07"));
        REQUIRE(world.store->begin_maintenance({"debian12", "lab1-07", world.clock.wall()}));
        world.restart();
    }
    SECTION("an update that had ended in the store ends for the machine") {
        world.begin_update();
        world.write('N');
        REQUIRE(world.disks->release_machine_disk("lab1-07"));
        REQUIRE(world.store->end_maintenance("lab1-07"));
        world.restart();
    }
    CHECK(world.store->maintenance()->empty());
    CHECK(world.machine().mode == Mode::persistent);
    CHECK(world.boots_from() == 'P');
}
