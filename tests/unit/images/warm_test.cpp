#include "images/warm_set.hpp"

#include "images/import.hpp"
#include "images_test_files.hpp"
#include "support/store_host.hpp"

#include <fstream>

using namespace rootstock;
using namespace rootstock::images;
using namespace rootstock::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20U;
constexpr std::uint64_t gib = std::uint64_t{1} << 30U;

/// A store with an image of 6 MiB, and a trace of two blocks of it where a test says so.
struct Warming : Host {
    std::unique_ptr<Store> store = open();

    Warming() { import(); }
    void import() { REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress)); }
    void record(std::uint32_t version) {
        REQUIRE(catalogue.traces().put("win11", version, {{3, 12288, 2, "lab1-07", clock.wall()}, {0, 2}}));
    }
    void look() {
        clock.advance(60s);
        REQUIRE(store->warm_due({}));
    }
    [[nodiscard]] std::optional<WarmState> warm(std::uint32_t version = 1) const {
        for (const VersionUse& use : *store->version_uses("win11")) {
            if (use.version.number == version) {
                return use.warm;
            }
        }
        return std::nullopt;
    }
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool locks_are_real = false; // their mlock() does nothing
#else
constexpr bool locks_are_real = true;
#endif

const WarmState all_of_it{4 * mib, 4 * mib, 4 * mib};

/// What this process has locked.
std::uint64_t locked_bytes() {
    std::ifstream status("/proc/self/status");
    std::string name, rest;
    while (status >> name && name != "VmLck:") {
        std::getline(status, rest);
    }
    std::uint64_t kib = 0;
    status >> kib;
    return kib * 1024;
}

} // namespace

TEST_CASE("What is warm takes half of the memory at most, and no more than there is", "[images][warm]") {
    const FileSystem::Memory memory{8 * gib, 3 * gib};
    CHECK(check_warm_room(3 * gib, 0, memory, "It"));
    CHECK(check_warm_room(1 * gib, 3 * gib, memory, "It"));
    CHECK_FALSE(check_warm_room(3 * gib + 1, 0, memory, "It"));
    CHECK_FALSE(check_warm_room(1 * gib, 5 * gib, memory, "It"));
    const auto refused = check_warm_room(2 * gib, 3 * gib, memory, "It");
    CHECK(error_of(refused) == "It needs 2 GiB of memory, and 1 GiB are free for it: images may keep 4 GiB warm together, 3 GiB are, and the host has "
                               "3 GiB available. Let another image go (`rootstock image warm NAME --off`)");
}

TEST_CASE("What a version boots with is loaded and kept, until it is let go", "[images][warm]") {
    Warming warming;
    warming.record(1);
    std::uint64_t told = 0;
    const auto state = warming.store->warm("win11", 0, [&](std::uint64_t, std::uint64_t total) {
        told = total;
        return true;
    });
    INFO(error_of(state));
    REQUIRE(state);
    CHECK(*state == all_of_it);
    CHECK(told == 4 * mib);
    CHECK(warming.warm() == all_of_it);
    REQUIRE(warming.store->cool("win11", 1));
    CHECK_FALSE(warming.warm());
    CHECK(warming.store->cool("win11", 0));
}

TEST_CASE("A version without a trace cannot be warmed, and the error says how to get one", "[images][warm]") {
    Warming warming;
    CHECK(error_of(warming.store->warm("win11", 0, {})).find("Boot one") != std::string::npos);
    CHECK_FALSE(warming.store->warm("win11", 7, {}));
    CHECK_FALSE(warming.store->warm("win12", 0, {}));
}

TEST_CASE("A version for which there is no memory is not warmed", "[images][warm]") {
    Warming warming;
    warming.record(1);
    warming.files->set_memory({8 * gib, 3 * mib});
    CHECK(warming.store->warm("win11", 1, {}).error().code == std::errc::not_enough_memory);
    CHECK_FALSE(warming.warm());
}

TEST_CASE("A warming that is cancelled keeps nothing", "[images][warm]") {
    Warming warming;
    warming.record(1);
    CHECK(warming.store->warm("win11", 1, [](std::uint64_t done, std::uint64_t) { return done == 0; }).error().code == std::errc::operation_canceled);
    CHECK_FALSE(warming.warm());
}

TEST_CASE("What the configuration wants warm is, from the first trace on, and follows the current version", "[images][warm]") {
    Warming warming;
    warming.store->keep_warm({"win11"});
    warming.look();
    CHECK_FALSE(warming.warm());
    warming.record(1);
    warming.look();
    CHECK(warming.warm() == all_of_it);
    CHECK_FALSE(warming.store->cool("win11", 0));

    warming.import();
    warming.look();
    CHECK(warming.warm(1)); // what boots now is not known yet
    warming.record(2);
    warming.look();
    CHECK(warming.warm(2) == all_of_it);
    CHECK_FALSE(warming.warm(1));

    warming.store->keep_warm({});
    warming.look();
    CHECK_FALSE(warming.warm(2));
}

TEST_CASE("What somebody warmed by hand stays, whatever the configuration wants", "[images][warm]") {
    Warming warming;
    warming.record(1);
    REQUIRE(warming.store->warm("win11", 1, {}));
    warming.import();
    warming.record(2);
    warming.store->keep_warm({"win11"});
    warming.look();
    warming.store->keep_warm({});
    warming.look();
    CHECK(warming.warm(1));
    CHECK_FALSE(warming.warm(2));
}

TEST_CASE("What could not be warmed is tried again", "[images][warm]") {
    Warming warming;
    warming.record(1);
    warming.store->keep_warm({"win11"});
    warming.files->set_memory({8 * gib, 3 * mib});
    warming.look();
    CHECK_FALSE(warming.warm());
    warming.files->set_memory({8 * gib, 6 * gib});
    warming.look();
    CHECK(warming.warm());
}

TEST_CASE("What is warm follows a file below its version that was written anew", "[images][warm]") {
    Warming warming;
    for (unsigned number = 2; number < 4; ++number) { // each stands on the one before
        const std::string machine = "lab1-0" + std::to_string(number);
        {
            const auto disk = warming.store->open_machine_disk(machine, "win11", OverlayKind::persistent);
            REQUIRE(disk);
            write_sectors(**disk, 9, 0, 8);
        }
        REQUIRE(warming.store->publish(machine, "win11", AfterPublish::overlay_goes));
    }
    warming.record(3);
    REQUIRE(warming.store->warm("win11", 3, {}));
    const auto files_of_3 = [&] { return warming.store->version_uses("win11")->back().files; };
    REQUIRE(files_of_3() == 3);
    REQUIRE(warming.store->remove_version("win11", 1)); // its file and the second version's become one
    REQUIRE(warming.store->flatten(limits::chain_depth, no_progress));
    REQUIRE(files_of_3() == 2);
    unsigned changes = 0;
    warming.store->on_change([&] { ++changes; });
    warming.look();
    CHECK(changes == 2); // let go, and warm again
    CHECK(warming.warm(3));
    warming.look();
    CHECK(changes == 2);
    warming.store->on_change({});
}

TEST_CASE("A version that goes is not warm any more", "[images][warm]") {
    Warming warming;
    warming.record(1);
    REQUIRE(warming.store->warm("win11", 1, {}));
    const bool whole = GENERATE(false, true);
    if (whole) {
        REQUIRE(warming.store->remove_image("win11"));
    } else {
        warming.import();
        REQUIRE(warming.store->remove_version("win11", 1));
    }
    warming.files->set_memory({8 * mib, 4 * mib}); // room for one version
    warming.import();
    const std::uint32_t version = whole ? 1 : 3;
    warming.record(version);
    CHECK(warming.store->warm("win11", version, {}));
}

TEST_CASE("Chunks that several versions need stay until the last lets them go, and are locked", "[images][warm]") {
    const TemporaryDirectory directory;
    const auto files = make_posix_file_system();
    directory.write("disk.raw", std::string(6 * mib, 'M'));
    const auto identity = value_of(import_image(*files, directory.file("disk.raw"), directory.file("master.vhdx"), {})).identity;
    const auto master = value_of(open_master(*files, directory.file("master.vhdx"), identity));
    WarmSet warm(*files);
    const std::uint64_t before = locked_bytes();
    const auto locked = [&] { return locked_bytes() - before; };

    const WarmState first = value_of(warm.warm({"win11", 1, {}, identity, {}, false}, master, {0, 1}, false, {}));
    CHECK(first.bytes == 4 * mib);
    CHECK(first.resident_bytes == 4 * mib);
    const WarmState second = value_of(warm.warm({"win11", 2, {}, identity, {}, true}, master, {1, 2, 9}, false, {}));
    CHECK(second.bytes == 4 * mib);
    const bool counted = locks_are_real && first.pinned_bytes + second.pinned_bytes == 8 * mib; // else the limit is lower
    if (counted) {
        CHECK(locked() == 6 * mib);
    }
    warm.cool("win11", 1);
    if (counted) {
        CHECK(locked() == 4 * mib);
    }
    warm.cool("win11", 0);
    CHECK(locked() == 0);
}
