#include "images/live_map.hpp"

#include "support/catch.hpp"
#include "support/sim_file.hpp"

using namespace rootstock;
using namespace rootstock::test;
using images::LiveChange;
using images::LiveMap;
using images::OwnershipChange;

namespace {

const Guid session = *Guid::parse("11111111-2222-4333-8444-555555555555");
const std::string disk = "/data/d.vhdx";

LiveChange own(std::uint64_t block, std::uint64_t first, std::uint64_t count) { return {OwnershipChange::own_sectors, block, first, count, 0}; }

std::vector<LiveChange> left_behind(SimFileSystem& files) {
    const auto changes = LiveMap::left_behind(*files.after_process_death(), disk, session);
    REQUIRE(changes);
    return *changes;
}

} // namespace

TEST_CASE("a change of ownership survives its 64 bits", "[images][live]") {
    const std::vector<LiveChange> changes{
        own(0, 0, 1),
        own(images::live_max_blocks - 1, 4095, 1),
        own(7, 0, 4096),
        {OwnershipChange::zero_blocks, 3, 0, images::live_max_blocks - 3, 0},
        {OwnershipChange::assign_partial, 5, 0, 0, std::uint64_t{2} << 20U},
        {OwnershipChange::assign_full, 5, 0, 0, std::uint64_t{0xffffffff} << 20U},
    };
    for (const LiveChange& change : changes) {
        REQUIRE(images::encode_change(change) != 0);
        REQUIRE(images::decode_change(images::encode_change(change)) == change);
    }
    REQUIRE_FALSE(images::decode_change(7));
}

TEST_CASE("changes are found after the process died, oldest first", "[images][live]") {
    SimFileSystem files;
    const auto live = LiveMap::create(files, disk, session);
    REQUIRE(live);
    REQUIRE(left_behind(files).empty());
    (*live)->append(own(1, 0, 8));
    (*live)->append(own(2, 0, 8));
    REQUIRE(left_behind(files) == std::vector{own(1, 0, 8), own(2, 0, 8)});

    SECTION("during a flush both halves count, the older one first") {
        (*live)->begin_flush();
        (*live)->append(own(3, 0, 8));
        REQUIRE(left_behind(files) == std::vector{own(1, 0, 8), own(2, 0, 8), own(3, 0, 8)});
        (*live)->end_flush();
        REQUIRE(left_behind(files) == std::vector{own(3, 0, 8)});
        (*live)->begin_flush();
        (*live)->end_flush();
        REQUIRE(left_behind(files).empty());
    }
    SECTION("a sequential stream is one change that grows") {
        (*live)->append(own(2, 8, 8));
        (*live)->append(own(2, 16, 1));
        REQUIRE(left_behind(files) == std::vector{own(1, 0, 8), own(2, 0, 17)});
    }
    SECTION("another session's changes mean nothing") {
        REQUIRE(LiveMap::left_behind(*files.after_process_death(), disk, Guid{})->empty());
    }
    SECTION("another boot's changes mean nothing") {
        REQUIRE(LiveMap::left_behind(*files.after_power_loss({1, 100, 512}), disk, session)->empty());
    }
}

TEST_CASE("a half takes its number of changes and a flush makes room", "[images][live]") {
    SimFileSystem files;
    const auto live = LiveMap::create(files, disk, session);
    for (int turn = 0; turn < 3; ++turn) {
        while ((*live)->room() > 0) {
            (*live)->append(own((*live)->room(), 0, 1));
        }
        REQUIRE(left_behind(files).size() == images::live_half_changes);
        (*live)->begin_flush();
        REQUIRE((*live)->room() == images::live_half_changes);
        (*live)->end_flush();
    }
}

TEST_CASE("a live map whose contents make no sense is an error, not silence", "[images][live]") {
    SimFileSystem files;
    REQUIRE(LiveMap::create(files, disk, session));
    const auto file = files.open(LiveMap::path_of(disk), images::OpenMode::read_write);
    const std::uint64_t senseless = 7;
    REQUIRE((*file)->write_at(images::live_header_size, object_bytes(senseless)));
    const auto changes = LiveMap::left_behind(files, disk, session);
    REQUIRE_FALSE(changes);
    REQUIRE_THAT(changes.error().what, Catch::Contains("damaged"));
}

TEST_CASE("a live map that was cut off while it was made is ignored", "[images][live]") {
    SimFileSystem files;
    const auto file = files.open(LiveMap::path_of(disk), images::OpenMode::create_new);
    REQUIRE(LiveMap::left_behind(files, disk, session)->empty());
    REQUIRE((*file)->allocate(0, images::live_file_size));
    REQUIRE(LiveMap::left_behind(files, disk, session)->empty());
}
