#include "support/catch.hpp"

#include "core/random.hpp"
#include "images/master.hpp"
#include "images/overlay.hpp"
#include "images_test_files.hpp"
#include "support/read_pieces.hpp"
#include "support/sim_file.hpp"

#include <algorithm>

using namespace rootstock;
using namespace rootstock::images;
using test::SimFileSystem;

namespace {

constexpr std::uint64_t disk_bytes = std::uint64_t{8} << 20U; // four blocks
constexpr std::uint64_t block_bytes = std::uint64_t{2} << 20U;

/// A volume and children on it, each over the last, as overlays make them: written to, closed, and never touched again.
struct Chain {
    SimFileSystem files;
    std::vector<LayerPlace> places; // the newest first
    ByteVector contents = ByteVector(disk_bytes);
    SeededRandom random{17};
    LayerFiles open_files{files};

    Chain() {
        REQUIRE(files.make_directories("/data"));
        REQUIRE(create_volume(files, path(), disk_bytes));
        seal(*value_of(open_volume(files, path())));
    }
    [[nodiscard]] std::string path() const { return "/data/" + std::to_string(places.size()) + ".vhdx"; }
    [[nodiscard]] std::shared_ptr<Master> open() { return value_of(open_master(open_files, places)); }

    void write(Overlay& disk, std::uint64_t offset, std::uint64_t length) {
        const MutableBytes bytes = MutableBytes(contents).subspan(offset, length);
        random.fill(bytes);
        REQUIRE(disk.write(offset, bytes, false));
    }
    void discard(Overlay& disk, std::uint64_t offset, std::uint64_t length) {
        std::ranges::fill(MutableBytes(contents).subspan(offset, length), std::uint8_t{0});
        REQUIRE(disk.discard(offset, length));
    }
    void seal(Overlay& disk) {
        REQUIRE(disk.close());
        places.insert(places.begin(), LayerPlace{path(), {}});
    }
    template <class Change> void add(Change change) {
        const auto below = open();
        REQUIRE(create_persistent_overlay(files, path(), *below));
        const auto disk = value_of(open_persistent_overlay(files, path(), below));
        change(*disk);
        seal(*disk);
    }
};

} // namespace

TEST_CASE("A chain is one disk: sectors of the newest file that has them, zeros over the parent, holes from none", "[images][master][chain]") {
    Chain chain;
    chain.add([&](Overlay& disk) {
        chain.write(disk, 0, block_bytes + 4096);
        chain.write(disk, 3 * block_bytes, 65536);
    });
    chain.add([&](Overlay& disk) {
        chain.write(disk, 4096, 512);
        chain.discard(disk, block_bytes, block_bytes); // ZERO hides the parent
        chain.write(disk, 3 * block_bytes + 512, 1024);
    });
    chain.add([&](Overlay& disk) {
        chain.discard(disk, 3 * block_bytes + 4096, 8192);
        chain.write(disk, block_bytes + 512, 512);
    });
    const auto master = chain.open();
    CHECK(master->geometry().size_bytes == disk_bytes);
    CHECK((read_with_loads(*master, 0, disk_bytes, true) == chain.contents));
    CHECK((read_with_loads(*master, 0, disk_bytes, false) == chain.contents));
    ByteVector blocking(disk_bytes);
    REQUIRE(master->read(0, blocking));
    CHECK((blocking == chain.contents));
    CHECK_FALSE(master->extent(2 * block_bytes, 4096).mapped);
    CHECK(master->extent(block_bytes + 512, 4096).length == 512);
}

TEST_CASE("A chain with a wrong, missing or unclean file is refused by its name", "[images][master][chain]") {
    Chain chain;
    for (int level = 0; level < 3; ++level) {
        chain.add([&](Overlay& disk) { chain.write(disk, 0, 4096); });
    }
    std::string expected;
    SECTION("missing") {
        REQUIRE(chain.files.remove("/data/1.vhdx"));
        expected = "/data/1.vhdx";
    }
    SECTION("left out") {
        chain.places.erase(chain.places.begin() + 1);
        expected = "/data/3.vhdx is a differencing disk, and its parent /data/1.vhdx is not the disk that it was made on";
    }
    SECTION("too short") {
        chain.places.pop_back();
        expected = "/data/1.vhdx is a differencing disk over";
    }
    SECTION("too long") {
        chain.places.push_back(chain.places.back());
        expected = "/data/0.vhdx is a disk of its own";
    }
    SECTION("not the recorded one") {
        chain.places[2].expected = MasterIdentity{};
        expected = "/data/1.vhdx is not the file that was imported";
    }
    SECTION("in use, with changes in its log") {
        std::vector<LayerPlace> below(chain.places.begin() + 1, chain.places.end());
        const auto disk = value_of(open_persistent_overlay(chain.files, "/data/3.vhdx", value_of(open_master(chain.open_files, below))));
        chain.write(*disk, 0, 4096);
        REQUIRE(disk->flush());
        const auto opened = open_master(chain.open_files, chain.places);
        REQUIRE_FALSE(opened);
        CHECK_THAT(opened.error().what, Catch::Contains("/data/3.vhdx was not closed cleanly"));
        return;
    }
    SECTION("more files than the bound") {
        chain.places.resize(65, chain.places.back());
        expected = "more than 64 files";
    }
    const auto opened = open_master(chain.open_files, chain.places);
    REQUIRE_FALSE(opened);
    CHECK_THAT(opened.error().what, Catch::Contains(expected));
}

TEST_CASE("A file in several chains is opened once", "[images][master][chain]") {
    Chain chain;
    chain.add([&](Overlay& disk) { chain.write(disk, 0, 4096); });
    const auto first = value_of(chain.open_files.get({"/data/0.vhdx", {}}));
    const auto again = value_of(chain.open_files.get({"/data/0.vhdx", first->identity()}));
    CHECK(first == again);
}
