#include "images/image_reader.hpp"
#include "images/layer_tree.hpp"
#include "images/limits.hpp"
#include "support/store_host.hpp"
#include "support/vhdx_validator.hpp"

#include <atomic>
#include <thread>

using namespace rootstock;
using namespace rootstock::test;
using images::DiskKind;
using images::DiskName;
using images::OverlayKind;
using images::RestoreTime;

namespace {

const DiskName machine{DiskKind::machine, "lab1-07"};
const DiskName volume{DiskKind::volume, "data"};

std::shared_ptr<images::Overlay> open_disk(images::Store& store, const DiskName& disk) {
    auto opened = disk.kind == DiskKind::machine ? store.open_machine_disk(disk.name, "win11", OverlayKind::persistent) : store.open_volume_disk(disk.name);
    INFO(error_of(opened));
    REQUIRE(opened);
    return *opened;
}

/// A store with an image, a machine's disk and a volume.
struct Disks : Host {
    std::unique_ptr<images::Store> store = open();

    Disks() {
        REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress));
        REQUIRE(store->create_volume(volume.name, image_bytes, {"*"}));
    }
    void write(const DiskName& disk, Tag tag, std::uint64_t first, std::uint64_t count) { write_sectors(*open_disk(*store, disk), tag, first, count); }
    ByteVector read(const DiskName& disk, std::uint64_t first, std::uint64_t count) { return read_sectors(*open_disk(*store, disk), first, count); }
    void snapshot(const DiskName& disk, const std::string& name) {
        const auto taken = store->create_snapshot(disk, name);
        INFO(error_of(taken));
        REQUIRE(taken);
    }
    /// As another program follows the paths in the files.
    ByteVector read_by_paths(const std::string& path, std::uint64_t first, std::uint64_t count) const {
        auto reader = images::ImageReader::open(*files, path);
        INFO(error_of(reader));
        REQUIRE(reader);
        ByteVector bytes(count * model_sector);
        REQUIRE(reader->read(first * model_sector, bytes));
        return bytes;
    }
};

} // namespace

TEST_CASE("a snapshot is what the disk was, and the disk goes on", "[images][store][snapshot]") {
    const DiskName disk = GENERATE(machine, volume);
    Disks host;
    {
        const auto in_use = open_disk(*host.store, disk); // its users notice nothing
        write_sectors(*in_use, 9, 100, 8);
        host.snapshot(disk, "monday");
        write_sectors(*in_use, 10, 104, 8);
        host.snapshot(disk, "tuesday");
        write_sectors(*in_use, 11, 0, 1);
        REQUIRE(read_sectors(*in_use, 100, 4) == pattern(9, 100, 4));
        REQUIRE(read_sectors(*in_use, 104, 8) == pattern(10, 104, 8));
        REQUIRE(read_sectors(*in_use, 0, 1) == pattern(11, 0, 1));
    }
    const auto snapshots = host.store->snapshots();
    REQUIRE(snapshots);
    REQUIRE(snapshots->size() == 2);
    REQUIRE(snapshots->front().row.name == "monday");
    REQUIRE(snapshots->back().depth == snapshots->front().depth + 1);
    for (const auto& snapshot : *snapshots) {
        const auto path = "/data/" + snapshot.row.layer;
        REQUIRE(host.read_by_paths(path, 100, 4) == pattern(9, 100, 4));
        REQUIRE(host.read_by_paths(path, 104, 4) == pattern(snapshot.row.name == "monday" ? 9 : 10, 104, 4));
        const auto file = host.files->open(path, images::OpenMode::read_only);
        const VhdxInspector sound([&](std::uint64_t offset, std::span<std::uint8_t> out) { REQUIRE((*file)->read_at(offset, out)); }, *(*file)->size());
        REQUIRE(sound.report().text() == "");
        REQUIRE_FALSE(sound.report().dirty);
    }
    host.store = nullptr;
    host.store = host.open();
    REQUIRE(host.read(disk, 104, 8) == pattern(10, 104, 8));
}

TEST_CASE("going back to a snapshot: at once when nobody uses the disk, at the next boot of a machine that runs", "[images][store][snapshot]") {
    Disks host;
    host.write(machine, 9, 100, 8);
    host.snapshot(machine, "monday");
    host.write(machine, 10, 100, 8);
    SECTION("off") {
        REQUIRE(*host.store->restore_snapshot(machine, "monday") == RestoreTime::now);
        REQUIRE(host.read(machine, 100, 8) == pattern(9, 100, 8));
    }
    SECTION("running") {
        {
            const auto in_use = open_disk(*host.store, machine);
            REQUIRE(*host.store->restore_snapshot(machine, "monday") == RestoreTime::next_boot);
            REQUIRE_THAT(error_of(host.store->remove_snapshot(machine, "monday")), Catch::Contains("next boot"));
            REQUIRE(read_sectors(*in_use, 100, 8) == pattern(10, 100, 8));
        }
        REQUIRE(host.store->close_machine_disk(machine.name)); // a break of its connection is no boot
        REQUIRE(host.read(machine, 100, 8) == pattern(10, 100, 8));
        REQUIRE(host.store->begin_boot(machine.name));
        REQUIRE(host.read(machine, 100, 8) == pattern(9, 100, 8));
        host.write(machine, 11, 100, 8);
        REQUIRE(host.store->begin_boot(machine.name)); // once
        REQUIRE(host.read(machine, 100, 8) == pattern(11, 100, 8));
    }
    SECTION("after the disk was thrown away") {
        REQUIRE(host.store->remove_machine_disk(machine.name));
        REQUIRE(*host.store->restore_snapshot(machine, "monday") == RestoreTime::now);
        REQUIRE(host.read(machine, 100, 8) == pattern(9, 100, 8));
    }
    SECTION("a volume") {
        host.write(volume, 9, 0, 1);
        host.snapshot(volume, "monday");
        host.write(volume, 10, 0, 1);
        {
            const auto in_use = open_disk(*host.store, volume);
            REQUIRE_THAT(error_of(host.store->restore_snapshot(volume, "monday")), Catch::Contains("in use"));
        }
        REQUIRE(*host.store->restore_snapshot(volume, "monday") == RestoreTime::now);
        REQUIRE(host.read(volume, 0, 1) == pattern(9, 0, 1));
    }
}

TEST_CASE("a snapshot becomes a new disk at once, of a machine or as a volume", "[images][store][snapshot]") {
    Disks host;
    host.write(machine, 9, 100, 8);
    host.snapshot(machine, "monday");
    const DiskName other{DiskKind::machine, "lab1-08"};
    const DiskName copy{DiskKind::volume, "copy"};
    REQUIRE(host.store->clone_to_machine(machine, "monday", other.name));
    REQUIRE(host.store->clone_to_volume(machine, "monday", copy.name, {"*"})->size_bytes == image_bytes);
    for (const DiskName& disk : {other, copy}) {
        REQUIRE(host.read(disk, 100, 8) == pattern(9, 100, 8));
        host.write(disk, 12, 100, 1);
        REQUIRE(host.read(machine, 100, 8) == pattern(9, 100, 8));
    }
    host.snapshot(copy, "tuesday"); // of a snapshot
    host.write(copy, 13, 101, 1);
    REQUIRE(host.store->restore_snapshot(copy, "tuesday"));
    REQUIRE(host.read(copy, 101, 1) == pattern(9, 101, 1));
    REQUIRE_THAT(error_of(host.store->clone_to_machine(machine, "monday", other.name)), Catch::Contains("has a disk already"));
    REQUIRE_THAT(error_of(host.store->clone_to_machine(copy, "none", "lab1-09")), Catch::Contains("no snapshot none"));
    host.write(volume, 1, 0, 1);
    host.snapshot(volume, "v");
    REQUIRE_THAT(error_of(host.store->clone_to_machine(volume, "v", "lab1-09")), Catch::Contains("Clone it to a volume"));
}

TEST_CASE("a layer goes when the last who needs it goes", "[images][store][snapshot]") {
    Disks host;
    host.write(machine, 9, 100, 8);
    host.snapshot(machine, "monday");
    const std::string layer = host.store->snapshots()->front().row.layer;
    REQUIRE(host.store->clone_to_volume(machine, "monday", "copy", {}));
    REQUIRE(host.store->remove_snapshot(machine, "monday"));
    REQUIRE(host.has(layer)); // the machine and the clone stand on it
    REQUIRE_THAT(error_of(host.store->remove_image("win11")), Catch::Contains("lab1-07"));
    REQUIRE(host.store->remove_machine_disk(machine.name));
    REQUIRE(host.read({DiskKind::volume, "copy"}, 100, 8) == pattern(9, 100, 8));
    REQUIRE(host.store->remove_volume("copy"));
    REQUIRE_FALSE(host.has(layer));
    REQUIRE(host.store->remove_image("win11"));
    REQUIRE(host.catalogue.rows().layers.empty());
}

TEST_CASE("what has no snapshots says so", "[images][store][snapshot]") {
    Disks host;
    CHECK_THAT(error_of(host.store->create_snapshot({DiskKind::machine, "none"}, "a")), Catch::Contains("no disk of its own yet"));
    CHECK_THAT(error_of(host.store->create_snapshot({DiskKind::volume, "none"}, "a")), Catch::Contains("no volume none"));
    images::VolumeOptions in_memory;
    in_memory.kind = images::VolumeKind::memory_only;
    REQUIRE(host.store->create_volume("ram", 1U << 20U, {}, in_memory));
    CHECK_THAT(error_of(host.store->create_snapshot({DiskKind::volume, "ram"}, "a")), Catch::Contains("no snapshots"));
    CHECK_THAT(error_of(host.store->create_snapshot(volume, "../a")), Catch::Contains("A snapshot's name"));
    host.snapshot(volume, "a");
    CHECK_THAT(error_of(host.store->create_snapshot(volume, "a")), Catch::Contains("already"));
}

TEST_CASE("a disk has more snapshots than its chain may have files, each what it was, and none of its version is copied", "[images][store][snapshot]") {
    Disks host;
    const DiskName disk = GENERATE(machine, volume);
    constexpr Tag taken = images::limits::chain_depth + 8;
    const auto in_use = open_disk(*host.store, disk);
    for (Tag tag = 1; tag <= taken; ++tag) {
        write_sectors(*in_use, 100 + tag, tag * 8, 16); // the next one writes over half of it
        host.snapshot(disk, std::to_string(tag));
    }
    const images::LayerTree tree = *images::LayerTree::read(host.catalogue);
    const std::string top = disk.kind == DiskKind::machine ? tree.overlays.front().layer : tree.volumes.front().layer;
    CHECK(tree.chain(top)->size() < images::limits::chain_depth);
    if (disk.kind == DiskKind::machine) {
        CHECK(tree.stands_on(top, tree.versions.front().file));
    }
    for (const auto& snapshot : *host.store->snapshots()) {
        const auto tag = static_cast<Tag>(std::stoul(snapshot.row.name));
        CAPTURE(tag);
        CHECK(host.read_by_paths("/data/" + snapshot.row.layer, tag * 8, 16) == pattern(100 + tag, tag * 8, 16));
        CHECK(host.read_by_paths("/data/" + snapshot.row.layer, 8, 8) == pattern(101, 8, 8));
    }
    CHECK(read_sectors(*in_use, 8, 8) == pattern(101, 8, 8));
    CHECK(read_sectors(*in_use, taken * 8, 16) == pattern(100 + taken, taken * 8, 16));
}

TEST_CASE("a chain never grows beyond its bound, and the disk works on", "[images][store][snapshot]") {
    bool full = true; // outlives the files that ask it
    Disks host;
    const auto in_use = open_disk(*host.store, volume);
    for (std::size_t level = 0; level < images::limits::chain_depth; ++level) {
        write_sectors(*in_use, 9, level, 1);
        host.snapshot(volume, "s" + std::to_string(level));
    }
    host.files->fail_when([&](const SimOperation& operation) -> std::optional<Error> {
        return full && operation.path.ends_with(".rewritten") ? std::optional(make_error(std::errc::no_space_on_device, "no room")) : std::nullopt;
    });
    CHECK_THAT(error_of(host.store->create_snapshot(volume, "one-too-many")), Catch::Contains("stands on 64 files") && Catch::Contains("no room"));
    write_sectors(*in_use, 10, 200, 8);
    full = false;
    host.snapshot(volume, "fine");
    CHECK(read_sectors(*in_use, 200, 8) == pattern(10, 200, 8));
    CHECK(read_sectors(*in_use, 0, 8) == pattern(9, 0, 8));
}

TEST_CASE("no write is lost, and none fails, while snapshots are taken", "[images][store][snapshot]") {
    Disks host;
    const auto disk = open_disk(*host.store, machine);
    std::atomic<bool> stop{false};
    std::atomic<bool> wrong{false};
    std::thread writer([&] {
        for (Tag tag = 100; !stop; ++tag) {
            const std::uint64_t at = tag * 37 % 4000;
            ByteVector back(8 * model_sector);
            wrong = wrong || !disk->write(at * model_sector, pattern(tag, at, 8), tag % 50 == 0) || !disk->read(at * model_sector, back) ||
                    back != pattern(tag, at, 8);
        }
    });
    for (int i = 0; i < 12; ++i) {
        const auto taken = host.store->create_snapshot(machine, "s" + std::to_string(i));
        CHECK(error_of(taken) == "");
    }
    stop = true;
    writer.join();
    REQUIRE_FALSE(wrong);
}

TEST_CASE("a file that is a layer in the catalogue is written to no more, although its snapshot failed", "[images][store][snapshot]") {
    bool failed = false; // outlives the files that ask it
    Disks host;
    {
        const auto in_use = open_disk(*host.store, volume);
        write_sectors(*in_use, 9, 100, 8);
        host.files->fail_when([&](const SimOperation& operation) -> std::optional<Error> {
            if (failed || operation.action != SimAction::rename || !operation.path.ends_with(".new")) {
                return std::nullopt;
            }
            failed = true;
            return make_error(std::errc::io_error, "made to fail");
        });
        REQUIRE_THAT(error_of(host.store->create_snapshot(volume, "monday")), Catch::Contains("made to fail"));
        write_sectors(*in_use, 10, 104, 8);
        REQUIRE(read_sectors(*in_use, 100, 4) == pattern(9, 100, 4));
    }
    host.store = nullptr;
    host.store = host.open();
    REQUIRE(host.read(volume, 104, 8) == pattern(10, 104, 8));
    REQUIRE(host.read_by_paths("/data/" + host.store->snapshots()->front().row.layer, 104, 4) == pattern(9, 104, 4));
}

TEST_CASE("whatever fails of a snapshot, whoever uses the disk goes on without opening it again", "[images][store][snapshot]") {
    const DiskName disk = GENERATE(machine, volume);
    for (unsigned number = 1, failed = 1; failed != 0; ++number) {
        INFO("operation " << number << " fails");
        unsigned operations = 0; // these outlive the files that ask them
        failed = 0;
        bool armed = false;
        Disks host;
        host.files->fail_when([&](const SimOperation& operation) -> std::optional<Error> {
            const bool own_sync = operation.action == SimAction::sync && !operation.path.ends_with(".new"); // ends the disk's flushes for good
            if (!armed || own_sync || ++operations != number) {
                return std::nullopt;
            }
            failed = 1;
            return make_error(std::errc::no_space_on_device, operation.path + ": made to fail");
        });
        const auto in_use = open_disk(*host.store, disk);
        write_sectors(*in_use, 9, 100, 8);
        armed = true;
        const bool taken = static_cast<bool>(host.store->create_snapshot(disk, "monday"));
        armed = false;
        REQUIRE((taken || failed != 0));
        write_sectors(*in_use, 10, 104, 8);
        REQUIRE(in_use->flush());
        REQUIRE(read_sectors(*in_use, 100, 4) == pattern(9, 100, 4));
        REQUIRE(read_sectors(*in_use, 104, 8) == pattern(10, 104, 8));
        if (host.store->snapshots()->empty()) {
            host.snapshot(disk, "monday"); // nothing of the first is in its way
        }
        const auto found = host.store->check({}, {});
        REQUIRE(found);
        REQUIRE(found->findings.empty());
    }
}

TEST_CASE("a snapshot that the catalogue refuses leaves the disk and nothing else", "[images][store][snapshot]") {
    Disks host;
    const auto in_use = open_disk(*host.store, machine);
    write_sectors(*in_use, 9, 100, 8);
    const auto before = host.files->list("/data/overlays");
    host.catalogue.refuse_changes(true);
    REQUIRE_THAT(error_of(host.store->create_snapshot(machine, "monday")), Catch::Contains("made to fail"));
    host.catalogue.refuse_changes(false);
    write_sectors(*in_use, 10, 104, 8);
    REQUIRE(read_sectors(*in_use, 100, 4) == pattern(9, 100, 4));
    REQUIRE(*host.files->list("/data/overlays") == *before);
}

TEST_CASE("a removal that fails leaves all of its files", "[images][store][snapshot]") {
    unsigned renames = 0; // outlives the files that ask it
    Disks host;
    host.write(volume, 9, 100, 8);
    host.snapshot(volume, "monday");
    host.write(volume, 10, 100, 8);
    host.files->fail_when([&](const SimOperation& operation) -> std::optional<Error> {
        const bool second = operation.action == SimAction::rename && ++renames == 2;
        return second ? std::optional(make_error(std::errc::io_error, "made to fail")) : std::nullopt;
    });
    REQUIRE(host.store->close_volume_disk(volume.name));
    REQUIRE(host.store->remove_snapshot(volume, "monday")); // the disk stands on its layer: nothing to move yet
    REQUIRE_FALSE(host.store->remove_volume(volume.name));  // its file, and that layer
    REQUIRE(host.read(volume, 100, 8) == pattern(10, 100, 8));
}

TEST_CASE("A digest that is taken of a snapshot's file holds behind a power loss", "[images][snapshot][guard]") {
    Host host;
    auto store = host.open();
    REQUIRE(store->create_volume("data", image_bytes, {"*"}));
    write_sectors(**store->open_volume_disk("data"), 3, 5, 40);
    REQUIRE(store->create_snapshot({DiskKind::volume, "data"}, "first"));
    REQUIRE(store->verify_due(std::chrono::hours(1), {}));
    store.reset();
    Host later(host.files->after_power_loss({1, 0, 512}), host.catalogue.rows());
    REQUIRE_FALSE(later.catalogue.rows().contents.empty());
    const auto again = later.open();
    REQUIRE(again->verify_due(std::chrono::seconds(0), {}));
    for (const auto& [file, known] : later.catalogue.rows().contents) {
        INFO(file);
        CHECK(known.state.verified);
        CHECK(known.state.damage.empty());
    }
}
