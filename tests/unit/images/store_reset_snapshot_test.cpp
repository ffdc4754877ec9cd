// Snapshots of machines in mode reset, whose disks are no VHDX: copied, gone back to for one boot, kept over restarts and power losses.
#include "images/image_reader.hpp"
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
constexpr std::uint64_t sectors = image_bytes / model_sector;

/// A store with an image, and a machine that begins each boot with it.
struct ResetHost : Host {
    std::unique_ptr<images::Store> store = open();

    ResetHost() { REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress)); }
    std::shared_ptr<images::Overlay> disk() { return disk_of(*store); }
    static std::shared_ptr<images::Overlay> disk_of(images::Store& store) {
        auto opened = store.open_machine_disk(machine.name, "win11", OverlayKind::reset);
        INFO(error_of(opened));
        REQUIRE(opened);
        return *opened;
    }
    void boot() const { REQUIRE(error_of(store->begin_boot(machine.name, OverlayKind::reset)).empty()); }
    void snapshot(const std::string& name) const { REQUIRE(error_of(store->create_snapshot(machine, name)).empty()); }
    [[nodiscard]] std::string layer() const { return store->snapshots()->front().row.layer; }
    void restart() {
        store = nullptr;
        store = open();
    }
};

} // namespace

TEST_CASE("a snapshot of a reset disk is what the present boot holds, and the disk goes on", "[images][store][snapshot][reset]") {
    ResetHost host;
    {
        const auto in_use = host.disk();
        write_sectors(*in_use, 9, 100, 8);
        write_sectors(*in_use, 8, 5000, 4096); // more than a block
        REQUIRE(in_use->discard(100 * model_sector, 2 * model_sector));
        REQUIRE(in_use->discard(8192 * model_sector, 1024 * model_sector));
        host.snapshot("monday");
        write_sectors(*in_use, 10, 104, 8);
        REQUIRE(read_sectors(*in_use, 104, 8) == pattern(10, 104, 8));
    }
    const auto path = "/data/" + host.layer();
    auto reader = images::ImageReader::open(*host.files, path); // by the paths in the files, as another program
    REQUIRE(reader);
    ByteVector found(image_bytes);
    REQUIRE(reader->read(0, found));
    ByteVector expected = pattern(7, 0, sectors);
    const auto put = [&](std::uint64_t first, const ByteVector& bytes) { std::ranges::copy(bytes, expected.begin() + static_cast<std::ptrdiff_t>(first * model_sector)); };
    put(100, pattern(9, 100, 8));
    put(5000, pattern(8, 5000, 4096));
    put(100, ByteVector(2 * model_sector));
    put(8192, ByteVector(1024 * model_sector));
    REQUIRE(found == expected);
    const auto file = host.files->open(path, images::OpenMode::read_only);
    const VhdxInspector sound([&](std::uint64_t offset, std::span<std::uint8_t> out) { REQUIRE((*file)->read_at(offset, out)); }, *(*file)->size());
    REQUIRE(sound.report().text() == "");
    REQUIRE_FALSE(sound.report().dirty);
    REQUIRE(host.catalogue.rows().overlays.front().kind == OverlayKind::reset);
    REQUIRE(host.store->snapshots()->front().row.image == "win11");

    host.boot(); // throws the disk away, and nothing of the snapshot
    REQUIRE(read_sectors(*host.disk(), 100, 8) == pattern(7, 100, 8));
    REQUIRE(host.has(host.layer()));
    REQUIRE(host.store->clone_to_machine(machine, "monday", "lab1-08"));
    REQUIRE(host.store->clone_to_volume(machine, "monday", "copy", {"*"}));
    REQUIRE(read_sectors(**host.store->open_volume_disk("copy"), 5000, 16) == pattern(8, 5000, 16));
    REQUIRE(read_sectors(**host.store->open_machine_disk("lab1-08", "win11", OverlayKind::persistent), 102, 6) == pattern(9, 102, 6));
}

TEST_CASE("a reset machine goes back to a snapshot for one boot", "[images][store][snapshot][reset]") {
    ResetHost host;
    write_sectors(*host.disk(), 9, 100, 8);
    host.snapshot("monday");
    const auto holds = [&](Tag tag) { return read_sectors(*host.disk(), 100, 8) == pattern(tag, 100, 8); };
    SECTION("while it runs: the boot after the next is fresh again") {
        {
            const auto in_use = host.disk();
            write_sectors(*in_use, 10, 100, 8);
            REQUIRE(*host.store->restore_snapshot(machine, "monday", OverlayKind::reset) == RestoreTime::next_boot);
            REQUIRE(read_sectors(*in_use, 100, 8) == pattern(10, 100, 8));
            REQUIRE_THAT(error_of(host.store->begin_boot(machine.name, OverlayKind::reset)), Catch::Contains("in use"));
        }
        host.restart(); // which is no boot
        REQUIRE(holds(10));
        host.boot();
        REQUIRE(holds(9));
        write_sectors(*host.disk(), 11, 104, 4);
        host.restart();
        REQUIRE(read_sectors(*host.disk(), 104, 4) == pattern(11, 104, 4));
        REQUIRE(error_of(host.store->remove_snapshot(machine, "monday")).empty());
        REQUIRE(read_sectors(*host.disk(), 100, 4) == pattern(9, 100, 4)); // its layer stays for this boot
        host.boot();
        REQUIRE(holds(7));
        REQUIRE(host.catalogue.rows().layers.size() == 1); // and went with it
    }
    SECTION("switched off, after a reset") {
        REQUIRE(host.store->remove_machine_disk(machine.name));
        REQUIRE(*host.store->restore_snapshot(machine, "monday", OverlayKind::reset) == RestoreTime::next_boot);
        host.boot();
        REQUIRE(holds(9));
        host.boot();
        REQUIRE(holds(7));
    }
    SECTION("it is persistent by its next boot: then it keeps what the snapshot holds") {
        REQUIRE(host.store->restore_snapshot(machine, "monday", OverlayKind::reset));
        for (int boots = 0; boots < 2; ++boots) {
            REQUIRE(error_of(host.store->begin_boot(machine.name)).empty());
            const auto disk = host.store->open_machine_disk(machine.name, "win11", OverlayKind::persistent);
            REQUIRE(error_of(disk).empty());
            REQUIRE(read_sectors(**disk, 100, 8) == pattern(9, 100, 8));
        }
        REQUIRE_FALSE(host.has("overlays/lab1-07.reset"));
    }
    SECTION("a persistent machine becomes a reset one, which goes back") {
        host.boot();
        REQUIRE(host.store->open_machine_disk(machine.name, "win11", OverlayKind::persistent));
        const std::string file = host.catalogue.rows().overlays.front().file;
        REQUIRE(host.store->restore_snapshot(machine, "monday", OverlayKind::reset));
        REQUIRE(host.store->close_machine_disk(machine.name));
        host.boot();
        REQUIRE(holds(9));
        REQUIRE_FALSE(host.has(file));
    }
    SECTION("machine reset forgets what was to come") {
        REQUIRE(host.store->restore_snapshot(machine, "monday", OverlayKind::reset));
        REQUIRE(host.store->remove_machine_disk(machine.name));
        host.boot();
        REQUIRE(holds(7));
    }
}

TEST_CASE("a snapshot of a reset disk that is being written is the disk at one moment", "[images][store][snapshot][reset]") {
    ResetHost host;
    const auto disk = host.disk();
    write_sectors(*disk, 1, 0, sectors);
    // One writer counts up through two places far apart: whatever a snapshot holds, the second is never ahead of the first, nor more than one behind.
    constexpr std::uint64_t near = 10;
    constexpr std::uint64_t far = sectors - 100;
    std::atomic<Tag> acknowledged{1};
    std::atomic<bool> stop{false};
    std::atomic<bool> failed{false};
    write_sectors(*disk, 1, near, 8);
    write_sectors(*disk, 1, far, 8);
    std::thread writer([&] {
        for (Tag tag = 2; !stop; ++tag) {
            for (const std::uint64_t place : {near, far}) {
                ByteVector back(8 * model_sector);
                failed = failed || !disk->write(place * model_sector, pattern(tag, place, 8), false) || !disk->read(place * model_sector, back) ||
                         back != pattern(tag, place, 8);
            }
            acknowledged = tag;
        }
    });
    for (int number = 0; number < 4; ++number) {
        const std::string name = "s" + std::to_string(number);
        const Tag before = acknowledged;
        host.snapshot(name);
        const Tag after = acknowledged + 1;
        REQUIRE(host.store->clone_to_volume(machine, name, name, {"*"}));
        const auto copy = host.store->open_volume_disk(name);
        REQUIRE(copy);
        const auto tag_at = [&](std::uint64_t place) {
            const ByteVector bytes = read_sectors(**copy, place, 8);
            Tag tag = before;
            while (tag <= after && bytes != pattern(tag, place, 8)) {
                ++tag;
            }
            return tag;
        };
        const Tag first = tag_at(near);
        const Tag second = tag_at(far);
        CHECK(first >= before);
        CHECK(first <= after);
        CHECK(second <= first);
        CHECK(second + 1 >= first);
        CHECK(read_sectors(**copy, 4096, 64) == pattern(1, 4096, 64));
    }
    stop = true;
    writer.join();
    REQUIRE_FALSE(failed);
}

TEST_CASE("a reset disk that there is no room to copy, or that did not outlive the host, has no snapshot", "[images][store][snapshot][reset]") {
    ResetHost host;
    SECTION("quota") {
        write_sectors(*host.disk(), 9, 0, 4096);
        images::SpaceLimits limits;
        limits.machine = std::uint64_t{3} << 20U;
        host.store->space().set_limits(limits);
        REQUIRE_THAT(error_of(host.store->create_snapshot(machine, "monday")), Catch::Contains("more than its limits"));
    }
    SECTION("a new boot") {
        write_sectors(*host.disk(), 9, 0, 4096);
        bool ended = false;
        host.files->before_change([&](const SimOperation& operation) {
            if (operation.path.ends_with(".vhdx.new") && operation.offset >= (std::uint64_t{2} << 20U)) { // its data comes
                host.store->end_copy(machine.name);
                ended = true;
            }
        });
        REQUIRE_THAT(error_of(host.store->create_snapshot(machine, "monday")), Catch::Contains("began a new boot"));
        host.files->before_change(nullptr);
        REQUIRE(ended);
        REQUIRE(read_sectors(*host.disk(), 0, 4096) == pattern(9, 0, 4096));
    }
    SECTION("power loss") {
        write_sectors(*host.disk(), 9, 0, 8);
        host.snapshot("sunday");
        host.store = nullptr;
        Host later(host.files->after_power_loss({1, 0, 512}), host.catalogue.rows());
        const auto store = later.open();
        REQUIRE_THAT(error_of(store->create_snapshot(machine, "monday")), Catch::Contains("was thrown away"));
        REQUIRE(store->snapshots()->size() == 1); // durable, although its disk was not
        REQUIRE(error_of(store->restore_snapshot(machine, "sunday", OverlayKind::reset)).empty());
        REQUIRE(error_of(store->begin_boot(machine.name, OverlayKind::reset)).empty());
        REQUIRE(read_sectors(*ResetHost::disk_of(*store), 0, 8) == pattern(9, 0, 8));
        return;
    }
    REQUIRE(host.store->snapshots()->empty());
    REQUIRE_FALSE(host.has("overlays/lab1-07.vhdx.new"));
    REQUIRE_FALSE(host.has("overlays/lab1-07.vhdx.new.live"));
}

TEST_CASE("a snapshot becomes a version at once, and the machine goes on", "[images][store][snapshot][reset]") {
    ResetHost host;
    const auto in_use = host.disk();
    write_sectors(*in_use, 9, 100, 8);
    host.snapshot("monday");
    const auto released = host.store->publish_snapshot(machine, "monday", "win11", images::Release{});
    REQUIRE(error_of(released).empty());
    REQUIRE(released->number == 2);
    REQUIRE_FALSE(released->current);
    const auto version = host.store->publish_snapshot(machine, "monday", "win11-cad", images::Release{});
    REQUIRE(error_of(version).empty());
    REQUIRE(version->number == 1);
    REQUIRE(version->current); // the first one of an image is
    write_sectors(*in_use, 10, 100, 8);
    REQUIRE(host.store->remove_snapshot(machine, "monday"));
    REQUIRE(host.store->flatten(images::limits::chain_depth, no_progress)); // two stand on what it held: it stays
    REQUIRE(host.store->verify_version("win11-cad", 0, [](std::uint64_t, std::uint64_t) { return true; }));
    for (const auto& [image, number] : {std::pair("win11-cad", 1U), std::pair("win11", 2U)}) {
        const auto disk = host.store->open_machine_disk("lab1-08", image, OverlayKind::reset, number);
        REQUIRE(error_of(disk).empty());
        REQUIRE(read_sectors(**disk, 98, 12) == [] {
            ByteVector bytes = pattern(7, 98, 12);
            std::ranges::copy(pattern(9, 100, 8), bytes.begin() + 2 * model_sector);
            return bytes;
        }());
    }
    CHECK_THAT(error_of(host.store->publish_snapshot(machine, "none", "win11")), Catch::Contains("no snapshot none"));
    CHECK_THAT(error_of(host.store->publish_snapshot(machine, "monday", "../a")), Catch::Contains("An image's name"));
}
