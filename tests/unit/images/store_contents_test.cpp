// The guard over masters in the store, over real files: they are touched as an administrator's hand or a failing disk does it.
#include "core/random.hpp"
#include "images/store.hpp"
#include "images_test_files.hpp"
#include "support/memory_catalogue.hpp"
#include "support/recording_log.hpp"

#include <fcntl.h>
#include <sys/stat.h>

using namespace rootstock;
using namespace rootstock::images;

namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20U;
constexpr std::chrono::hours week{24 * 7};

/// A data directory with image win11 of 8 MiB, and machine lab1-07 on it.
struct Guarded {
    TemporaryDirectory directory;
    std::unique_ptr<FileSystem> files = make_posix_file_system();
    test::MemoryCatalogue catalogue;
    test::RecordingLog log;
    ManualClock clock;
    std::unique_ptr<Store> store;

    Guarded() {
        ByteVector bytes(8 * mib);
        SeededRandom(5).fill(bytes);
        directory.write("win11.raw", as_text(bytes));
        store = value_of(open_store(*files, directory.file("data"), catalogue, log, clock));
        REQUIRE(store->import({directory.file("win11.raw")}, "win11", {}));
        REQUIRE(open_disk());
    }
    [[nodiscard]] std::string master() const { return directory.file("data/images/win11/v0001.vhdx"); }
    [[nodiscard]] Result<std::shared_ptr<Overlay>> open_disk(const std::string& machine = "lab1-07") const {
        return store->open_machine_disk(machine, "win11", OverlayKind::persistent);
    }
    /// One byte of the payload, with the time put back: nothing but reading it all can tell.
    void rot(std::uint64_t offset) const {
        struct stat before {};
        REQUIRE(::stat(master().c_str(), &before) == 0);
        flip(offset);
        const std::array<timespec, 2> times{before.st_atim, before.st_mtim};
        REQUIRE(::utimensat(AT_FDCWD, master().c_str(), times.data(), 0) == 0);
    }
    void flip(std::uint64_t offset) const {
        REQUIRE(::chmod(master().c_str(), 0644) == 0);
        const auto file = value_of(files->open(master(), OpenMode::read_write));
        ByteVector byte(1);
        REQUIRE(file->read_at(offset, byte));
        byte[0] ^= 1U;
        REQUIRE(file->write_at(offset, byte));
    }
    [[nodiscard]] ContentState verify(std::uint32_t version = 0) const { return value_of(store->verify_version("win11", version, {})).front(); }
    [[nodiscard]] LayerContent content() const { return value_of(store->images()).front().content; }
};

} // namespace

TEST_CASE("An import has its digest, and a verification finds it sound", "[images][guard]") {
    Guarded guarded;
    REQUIRE(guarded.content().state);
    CHECK_FALSE(guarded.content().state->verified);
    const auto state = guarded.verify();
    CHECK(state.damage.empty());
    CHECK(state.verified == guarded.clock.wall());
    CHECK(guarded.log.count("images.verify.done file=images/win11/v0001.vhdx") == 1);
    CHECK(guarded.open_disk("lab1-08"));
    CHECK_FALSE(guarded.store->verify_version("win11", 2, {}));
    CHECK_FALSE(guarded.store->verify_version("win7", 0, {}));
}

TEST_CASE("Rot that neither time nor size betrays is found, told with the machines at risk, and refused until it is put right", "[images][guard]") {
    Guarded guarded;
    guarded.rot(5 * mib);
    guarded.store->refresh_masters();
    CHECK(guarded.log.count("images.master.touched") == 0);
    const auto state = guarded.verify(1);
    REQUIRE(state.damage.size() == 1);
    CHECK((state.damage[0].offset == 4 * mib && state.damage[0].length == 2 * mib));
    CHECK(guarded.log.count("images.master.damaged file=images/win11/v0001.vhdx") == 1);
    CHECK(guarded.log.count("bytes=\"4194304 to 6291456\" machines=") == 1);
    CHECK(guarded.log.count("lab1-07") == 1);

    const auto refused = guarded.open_disk("lab1-08");
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().what, Catch::Contains("4194304 to 6291456") && Catch::Contains("lab1-07") && Catch::Contains("image verify win11"));

    guarded.rot(5 * mib);
    CHECK(guarded.verify(1).damage.empty());
    CHECK(guarded.open_disk("lab1-08"));
}

TEST_CASE("An image from before digests were kept gets its digest at the first verification", "[images][guard]") {
    Guarded guarded;
    const auto before = *guarded.content().state;
    REQUIRE(guarded.catalogue.contents().remove("images/win11/v0001.vhdx"));
    CHECK_FALSE(guarded.content().state);
    CHECK(guarded.open_disk("lab1-08"));
    REQUIRE(guarded.store->verify_due(week, {}));
    REQUIRE(guarded.content().state);
    CHECK(guarded.content().state->root == before.root);
    CHECK(guarded.content().state->verified);
}

TEST_CASE("What was verified is due again after its period, and damage is looked at again", "[images][guard]") {
    Guarded guarded;
    const auto verifications = [&] { return guarded.log.count("images.verify.started"); };
    REQUIRE(guarded.store->verify_due(week, {}));
    CHECK(verifications() == 0); // imported a moment ago
    guarded.clock.advance(week);
    REQUIRE(guarded.store->verify_due(week, {}));
    REQUIRE(guarded.store->verify_due(week, {}));
    CHECK(verifications() == 1);
    guarded.rot(3 * mib);
    guarded.clock.advance(week);
    REQUIRE(guarded.store->verify_due(week, {}));
    REQUIRE(guarded.store->verify_due(week, {}));
    CHECK(verifications() == 2);
    guarded.clock.advance(std::chrono::hours(1));
    guarded.rot(3 * mib);
    REQUIRE(guarded.store->verify_due(week, {}));
    CHECK(verifications() == 3);
    CHECK(guarded.content().state->damage.empty());
}

TEST_CASE("A verification that is stopped changes nothing; its progress is seen meanwhile", "[images][guard]") {
    Guarded guarded;
    std::size_t told = 0;
    guarded.store->on_change([&] { ++told; });
    const auto stopped = guarded.store->verify_version("win11", 0, [&](std::uint64_t done, std::uint64_t) {
        CHECK(guarded.content().verifying);
        CHECK(guarded.content().verified_bytes == done);
        return done < 4 * mib;
    });
    REQUIRE_FALSE(stopped);
    CHECK(told >= 3);
    CHECK_FALSE(guarded.content().verifying);
    CHECK_FALSE(guarded.content().state->verified);
}

TEST_CASE("A master that is touched while it is open is told once, with the machines on it, and refused to the next", "[images][guard]") {
    Guarded guarded;
    std::string what;
    SECTION("overwritten") {
        guarded.flip(5 * mib);
        what = "written to";
    }
    SECTION("truncated") {
        REQUIRE(::chmod(guarded.master().c_str(), 0644) == 0);
        std::filesystem::resize_file(guarded.master(), 4 * mib);
        what = "truncated";
    }
    SECTION("removed") {
        std::filesystem::remove(guarded.master());
        what = "removed or replaced";
    }
    SECTION("replaced") {
        REQUIRE(guarded.store->import({guarded.directory.file("win11.raw")}, "other", {}));
        std::filesystem::rename(guarded.directory.file("data/images/other/v0001.vhdx"), guarded.master());
        what = "removed or replaced";
    }
    guarded.store->refresh_masters();
    guarded.store->refresh_masters();
    CHECK(guarded.log.count("images.master.touched file=images/win11/v0001.vhdx") == 1);
    CHECK(guarded.log.count(what) == 1);
    CHECK(guarded.log.count("lab1-07") == 1);
    const bool readable = what == "removed or replaced";
    ByteVector sector(512);
    CHECK(static_cast<bool>(value_of(guarded.open_disk())->read(0, sector)) == readable); // the bytes that are open are the right ones
    const auto refused = guarded.open_disk("lab1-08");
    REQUIRE_FALSE(refused);
    CAPTURE(refused.error().what);
    CHECK(guarded.log.count("images.master.refused file=images/win11/v0001.vhdx") == 1);
}

TEST_CASE("A master that was overwritten is refused after a restart, too, until it is found sound", "[images][guard]") {
    Guarded guarded;
    guarded.flip(5 * mib);
    guarded.store->refresh_masters();
    guarded.store.reset();
    guarded.store = value_of(open_store(*guarded.files, guarded.directory.file("data"), guarded.catalogue, guarded.log, guarded.clock));
    CHECK_FALSE(guarded.open_disk());
    guarded.flip(5 * mib);
    CHECK(guarded.verify().damage.empty());
    CHECK(guarded.open_disk());
}

TEST_CASE("A master that was moved away and comes back is told, and serves again", "[images][guard]") {
    Guarded guarded;
    std::filesystem::rename(guarded.master(), guarded.master() + ".away");
    guarded.store->refresh_masters();
    REQUIRE_FALSE(guarded.open_disk("lab1-08"));
    std::filesystem::rename(guarded.master() + ".away", guarded.master());
    guarded.store->refresh_masters();
    CHECK(guarded.log.count("images.master.back file=images/win11/v0001.vhdx") == 1);
    CHECK(guarded.open_disk("lab1-08"));
}

TEST_CASE("What is wrong with a master is told to who asks, whether it is open or not", "[images][guard]") {
    Guarded guarded;
    const bool open = GENERATE(true, false);
    auto disk = guarded.open_disk();
    if (!open) {
        disk = make_error(std::errc::no_such_file_or_directory, "");
        guarded.store = nullptr;
        guarded.store = value_of(open_store(*guarded.files, guarded.directory.file("data"), guarded.catalogue, guarded.log, guarded.clock));
    }
    unsigned told = 0;
    guarded.store->on_change([&] { ++told; });
    const auto problem = [&] {
        guarded.store->refresh_masters();
        return guarded.content().problem;
    };
    CHECK(problem().empty());
    REQUIRE(guarded.files->rename(guarded.master(), guarded.master() + ".away"));
    CHECK_THAT(problem(), Catch::StartsWith("images/win11/v0001.vhdx ") && Catch::EndsWith(open ? "was removed or replaced by another file" : "cannot be opened"));
    CHECK(told == (open ? 1U : 0U));
    guarded.directory.write("other", "no disk");
    REQUIRE(guarded.files->rename(guarded.directory.file("other"), guarded.master()));
    CHECK_THAT(problem(), Catch::EndsWith(open ? "was removed or replaced by another file" : "was written to or truncated"));
    REQUIRE(guarded.files->rename(guarded.master() + ".away", guarded.master()));
    CHECK(problem().empty());
    CHECK(told == (open ? 2U : 0U));
    guarded.store->on_change(nullptr);
}

TEST_CASE("No moment has a layer without the digest of its file, or a digest without its layer", "[images][guard]") {
    Guarded guarded;
    std::size_t changes = 0;
    const auto look = [&] {
        ++changes;
        std::vector<std::string> layers, digests;
        for (const LayerRow& row : guarded.catalogue.rows().layers) {
            layers.push_back(row.file);
        }
        for (const ContentState& state : value_of(guarded.catalogue.contents().all())) {
            digests.push_back(state.file);
        }
        std::ranges::sort(layers);
        CHECK(layers == digests);
    };
    guarded.catalogue.before_change(look);
    REQUIRE(guarded.store->import({guarded.directory.file("win11.raw")}, "win11", {}));
    REQUIRE(guarded.store->import({guarded.directory.file("win11.raw")}, "win10", {}));
    REQUIRE(guarded.store->remove_image("win10"));
    look();
    CHECK(changes == 4);
}

TEST_CASE("A chain that became one file has a digest of that file", "[images][guard][flatten]") {
    Guarded guarded;
    const DiskName disk{DiskKind::machine, "lab1-07"};
    const ByteVector block(std::size_t{2} * mib, 7);
    REQUIRE(value_of(guarded.open_disk())->write(0, block, false));
    REQUIRE(guarded.store->close_machine_disk(disk.name));
    REQUIRE(guarded.store->publish(disk.name, "win11", AfterPublish::overlay_goes));
    REQUIRE(guarded.verify().damage.empty()); // version 2 has its digest now
    SECTION("which a verification finds sound") {
        REQUIRE(value_of(guarded.store->flatten(1, {})) == 1);
        REQUIRE(guarded.verify().damage.empty());
        CHECK(guarded.open_disk("lab1-08"));
    }
    SECTION("but not before the old files are found sound: rot would be taken for right") {
        guarded.rot(5 * mib);
        const auto flattened = guarded.store->flatten(1, {});
        REQUIRE_FALSE(flattened);
        CHECK_THAT(flattened.error().what, Catch::Contains("damaged"));
        CHECK(guarded.catalogue.rows().layers.size() == 2);
    }
}

TEST_CASE("Versions that go free what was said, at once and by the merge of their files", "[images][store][versions][flatten]") {
    Guarded guarded;
    const auto stored = [&] {
        std::uint64_t bytes = 0;
        for (const std::string& name : value_of(guarded.files->list(guarded.directory.file("data/images/win11")))) {
            bytes += value_of(value_of(guarded.files->open(guarded.directory.file("data/images/win11/" + name), OpenMode::read_only))->allocated_bytes());
        }
        return bytes;
    };
    for (unsigned version = 2; version <= 5; ++version) { // each writes the same 4 MiB
        REQUIRE(value_of(guarded.open_disk())->write(0, ByteVector(4 * mib, static_cast<std::uint8_t>(version)), false));
        REQUIRE(guarded.store->close_machine_disk("lab1-07"));
        REQUIRE(guarded.store->publish("lab1-07", "win11", version == 5 ? AfterPublish::overlay_goes : AfterPublish::machine_goes_on));
    }
    REQUIRE(value_of(guarded.store->version_uses("win11")).size() == 5);
    REQUIRE(value_of(guarded.store->version_uses("win11")).back().files == 5);
    const std::uint64_t before = stored();
    const RemovalGain gain = value_of(guarded.store->removal_gain("win11", {2, 3, 4}));
    CHECK(gain.now_bytes == 0); // version 5 stands on them
    for (const std::uint32_t number : {2U, 3U, 4U}) {
        REQUIRE(guarded.store->remove_version("win11", number));
    }
    CHECK(stored() == before);
    CHECK(value_of(guarded.store->flatten_due({}))); // by itself: 4 MiB are written for 12
    const std::uint64_t freed = before - stored();
    INFO("said " << gain.merged_bytes << ", freed " << freed);
    CHECK(gain.merged_bytes > 10 * mib);
    CHECK(freed >= gain.merged_bytes);
    CHECK(freed - gain.merged_bytes < 3 * mib); // what was said is about right: headers and tables are
    CHECK(value_of(guarded.store->version_uses("win11")).back().files == 2);
    CHECK_FALSE(value_of(guarded.store->flatten_due({})));
    ByteVector bytes(mib);
    REQUIRE(value_of(guarded.open_disk("lab1-08"))->read(3 * mib, bytes));
    CHECK(bytes == ByteVector(mib, 5));
}
