#include "images/image_reader.hpp"
#include "images/limits.hpp"
#include "support/recording_log.hpp"
#include "support/store_host.hpp"
#include "support/temporary_folder.hpp"

#include <fstream>

using namespace rootstock;
using namespace rootstock::test;
using images::DiskKind;
using images::DiskName;
using images::OverlayKind;

namespace {

const DiskName volume{DiskKind::volume, "data"};

/// Files below `folder` that are deleted and that this process has mapped.
std::size_t deleted_files_in_use(const std::string& folder) {
    std::ifstream maps("/proc/self/maps");
    std::size_t found = 0;
    for (std::string line; std::getline(maps, line);) {
        found += line.find(folder) != std::string::npos && line.ends_with("(deleted)") ? 1U : 0U;
    }
    return found;
}

/// A volume of which a snapshot is taken behind each write.
struct Chain : Host {
    std::unique_ptr<images::Store> store = open();

    Chain() { REQUIRE(store->create_volume(volume.name, image_bytes, {"*"})); }
    [[nodiscard]] std::shared_ptr<images::Overlay> disk() const {
        auto opened = store->open_volume_disk(volume.name);
        INFO(error_of(opened));
        REQUIRE(opened);
        return *opened;
    }
    void step(const std::string& name, Tag tag, std::uint64_t first, std::uint64_t count) {
        write_sectors(*disk(), tag, first, count);
        snapshot(name);
    }
    void snapshot(const std::string& name) {
        const auto taken = store->create_snapshot(volume, name);
        INFO(error_of(taken));
        REQUIRE(taken);
    }
    void flatten(std::size_t most, std::size_t expected) {
        const auto written = store->flatten(most, no_progress);
        INFO(error_of(written));
        REQUIRE(written);
        REQUIRE(*written == expected);
    }
    /// As the server's thread does it: until nothing is left. How much was done or tried.
    [[nodiscard]] std::size_t flatten_due(const images::ProgressCallback& progress) const {
        for (std::size_t steps = 0;; ++steps) {
            const auto more = store->flatten_due(progress);
            INFO(error_of(more));
            REQUIRE(more);
            if (!*more) {
                return steps;
            }
        }
    }
    /// Every layer by the paths in its file.
    void check_layers() const {
        for (const images::LayerRow& layer : catalogue.rows().layers) {
            INFO(layer.file);
            auto reader = images::ImageReader::open(*files, "/data/" + layer.file);
            INFO(error_of(reader));
            REQUIRE(reader);
            ByteVector bytes(image_bytes);
            REQUIRE(reader->read(0, bytes));
        }
    }
};

template <class T> T value_of(Result<T> result) {
    INFO(error_of(result));
    REQUIRE(result);
    return std::move(*result);
}

} // namespace

TEST_CASE("what nobody names any more is merged into the layer above, zeros over the parent included", "[images][store][flatten]") {
    Chain chain;
    chain.step("a", 9, 0, 64);
    chain.step("b", 10, 32, 16);
    REQUIRE(chain.disk()->discard(0, std::uint64_t{2} << 20U)); // the whole block: state ZERO
    chain.step("c", 11, 8, 4);
    REQUIRE(chain.disk()->discard(8192 * model_sector, 4096)); // a part of a block that only the parent has
    chain.step("d", 12, 100, 1);
    const auto in_use = chain.disk();
    REQUIRE(chain.store->remove_snapshot(volume, "b"));
    REQUIRE(chain.store->remove_snapshot(volume, "c"));
    REQUIRE(chain.catalogue.rows().layers.size() == 4);
    chain.flatten(64, 1);
    REQUIRE(chain.catalogue.rows().layers.size() == 2);
    chain.check_layers();
    const auto expected = [&](block::BlockDevice& disk) {
        REQUIRE(read_sectors(disk, 8, 4) == pattern(11, 8, 4));
        REQUIRE(read_sectors(disk, 0, 8) == ByteVector(8 * model_sector));
        REQUIRE(read_sectors(disk, 32, 16) == ByteVector(16 * model_sector));
        REQUIRE(read_sectors(disk, 100, 1) == pattern(12, 100, 1));
    };
    expected(*in_use); // it reads the old files, which are gone
    REQUIRE(chain.store->clone_to_volume(volume, "d", "copy", {}));
    expected(**chain.store->open_volume_disk("copy"));
    REQUIRE(chain.store->clone_to_volume(volume, "a", "first", {}));
    REQUIRE(read_sectors(**chain.store->open_volume_disk("first"), 0, 64) == pattern(9, 0, 64));
    chain.flatten(64, 0);
}

TEST_CASE("a long chain becomes a file that stands alone, and what is on it goes on", "[images][store][flatten]") {
    Chain chain;
    for (Tag tag = 0; tag < 6; ++tag) {
        chain.step("s" + std::to_string(tag), 20 + tag, tag * 8, 16);
    }
    const auto in_use = chain.disk();
    write_sectors(*in_use, 50, 4000, 1);
    std::size_t reports = 0;
    const auto cancel = [&](const images::ImportProgress&) { return ++reports > 1; };
    const auto before = chain.catalogue.rows().layers;
    REQUIRE_FALSE(chain.store->flatten(3, cancel));
    REQUIRE(chain.catalogue.rows().layers == before);
    REQUIRE(chain.files->list("/data/volumes")->size() == 8); // six layers, the volume and its live map
    chain.flatten(3, 1);
    chain.snapshot("after");
    REQUIRE(chain.store->snapshots()->back().depth == 2);
    REQUIRE(read_sectors(*in_use, 0, 8) == pattern(20, 0, 8));
    REQUIRE(read_sectors(*in_use, 4000, 1) == pattern(50, 4000, 1));
    chain.check_layers();
}

TEST_CASE("a disk in use goes over to the files that were written anew, and the old ones give their space back", "[images][store][flatten]") {
    const TemporaryFolder folder;
    const auto files = images::make_posix_file_system();
    MemoryCatalogue catalogue;
    RecordingLog log;
    ManualClock clock;
    const auto store = images::open_store(*files, folder.file("data"), catalogue, log, clock);
    REQUIRE(store);
    REQUIRE((*store)->create_volume(volume.name, image_bytes, {"*"}));
    const auto in_use = (*store)->open_volume_disk(volume.name);
    REQUIRE(in_use);
    for (Tag tag = 0; tag < 4; ++tag) {
        write_sectors(**in_use, 20 + tag, tag * 8, 16);
        REQUIRE((*store)->create_snapshot(volume, "s" + std::to_string(tag)));
    }
    const auto holds = [&] { return read_sectors(**in_use, 0, 8) == pattern(20, 0, 8) && read_sectors(**in_use, 24, 16) == pattern(23, 24, 16); };
    REQUIRE(holds());
    REQUIRE((*store)->flatten(1, no_progress));
    CHECK(deleted_files_in_use(folder.path()) != 0);
    (*store)->refresh_masters();
    CHECK(log.count("images.disk.followed") == 1);
    CHECK(deleted_files_in_use(folder.path()) != 0); // for what sessions may have been handed
    CHECK(holds());
    clock.advance(images::limits::mapping_kept);
    (*store)->refresh_masters();
    CHECK(deleted_files_in_use(folder.path()) == 0);
    CHECK(holds());
    write_sectors(**in_use, 30, 0, 8);
    REQUIRE((*store)->create_snapshot(volume, "after"));
    CHECK(read_sectors(**in_use, 0, 8) == pattern(30, 0, 8));
}

TEST_CASE("a chain that is being shortened is whole wherever that is cut off", "[images][store][flatten]") {
    Chain chain;
    for (Tag tag = 0; tag < 4; ++tag) {
        chain.step("s" + std::to_string(tag), 20 + tag, tag * 8, 16);
    }
    REQUIRE(chain.store->close_volume_disk(volume.name));
    REQUIRE(chain.store->remove_snapshot(volume, "s1"));
    std::uint64_t change = 0;
    const auto look = [&] {
        if (++change % 4 != 0) {
            return; // each opening rebuilds everything
        }
        for (const unsigned kept : {0U, 50U, 100U}) {
            Host later(kept == 50 ? chain.files->after_process_death() : chain.files->after_power_loss({change, kept, 512}), chain.catalogue.rows());
            INFO("change " << change << ", kept " << kept);
            const auto reopened = later.open();
            const auto disk = reopened->open_volume_disk(volume.name);
            INFO(error_of(disk));
            REQUIRE(disk);
            for (Tag tag = 0; tag < 4; ++tag) {
                REQUIRE(read_sectors(**disk, tag * 8, 8) == pattern(20 + tag, tag * 8, 8));
            }
            const auto names = later.files->list("/data/volumes");
            REQUIRE(std::ranges::none_of(*names, [](const std::string& name) { return name.ends_with(".rewritten"); }));
        }
    };
    const auto always_look = [&] {
        change += 4 - change % 4 - 1;
        look();
    };
    chain.files->before_change([&](const SimOperation& operation) { operation.action == SimAction::rename ? always_look() : look(); });
    chain.catalogue.before_change(always_look);
    chain.flatten(2, 2);
    REQUIRE(change > 40);
}

TEST_CASE("A chain that is too long becomes short by itself while its disk is written", "[images][store][flatten]") {
    Chain chain;
    for (Tag tag = 0; tag < images::limits::flatten_depth; ++tag) {
        chain.step("s" + std::to_string(tag), 20 + tag, tag * 8, 16);
    }
    CHECK(chain.flatten_due(no_progress) == 0); // long enough, not too long
    chain.step("last", 60, 2000, 8);
    REQUIRE(chain.store->snapshots()->back().depth == images::limits::flatten_depth + 1);
    const auto in_use = chain.disk();
    std::uint64_t written = 0;
    const auto write_on = [&](const images::ImportProgress&) {
        write_sectors(*in_use, 70, 4000 + written++, 1);
        return true;
    };
    CHECK(chain.flatten_due(write_on) == 1);
    REQUIRE(written > 0);
    CHECK(chain.store->snapshots()->back().depth == 1);
    chain.snapshot("after");
    CHECK(chain.store->snapshots()->back().depth == 2);
    CHECK(read_sectors(*in_use, 4000, written) == pattern(70, 4000, written));
    CHECK(read_sectors(*in_use, 2000, 8) == pattern(60, 2000, 8));
    CHECK(read_sectors(*in_use, 0, 8) == pattern(20, 0, 8));
    chain.check_layers();
    CHECK(chain.flatten_due(no_progress) == 0);
}

TEST_CASE("What is to be merged by itself, and ends at once, fails, or has no room", "[images][store][flatten]") {
    Host host;
    RecordingLog log;
    const auto store = value_of(images::open_store(*host.files, "/data", host.catalogue, log, host.clock));
    REQUIRE(store->create_volume(volume.name, image_bytes, {"*"}));
    for (Tag tag = 0; tag < 3; ++tag) { // each writes the same
        write_sectors(*value_of(store->open_volume_disk(volume.name)), 20 + tag, 0, 4096);
        REQUIRE(store->create_snapshot(volume, "s" + std::to_string(tag)));
    }
    REQUIRE(store->remove_snapshot(volume, "s0"));
    REQUIRE(store->remove_snapshot(volume, "s1"));
    const auto files = host.files->list("/data/volumes");
    const auto before = host.catalogue.rows().layers;
    REQUIRE(before.size() == 3);
    SECTION("the server stops") {
        CHECK_FALSE(value_of(store->flatten_due([](const images::ImportProgress&) { return false; })));
        CHECK(log.count("images.flatten.put_off") == 0);
    }
    SECTION("there is no room: told once, and done when there is some") {
        images::SpaceLimits limits;
        limits.store = std::uint64_t{1} << 20U;
        store->space().set_limits(limits);
        for (int round = 0; round < 3; ++round) {
            CHECK_FALSE(value_of(store->flatten_due(no_progress)));
        }
        CHECK(log.count("images.flatten.no_room") == 1);
    }
    SECTION("a file is damaged: told once, tried again later") {
        REQUIRE(host.catalogue.contents().put({before[0].file, before[0].identity.data_write_guid, {1, ByteVector(images::digest_size)}}));
        CHECK(value_of(store->flatten_due(no_progress)));
        CHECK_FALSE(value_of(store->flatten_due(no_progress)));
        host.clock.advance(std::chrono::minutes(1));
        CHECK(value_of(store->flatten_due(no_progress)));
        CHECK_FALSE(value_of(store->flatten_due(no_progress)));
        CHECK(log.count("images.flatten.put_off") == 1);
        REQUIRE(host.catalogue.contents().remove(before[0].file));
        host.clock.advance(std::chrono::minutes(1));
        CHECK_FALSE(value_of(store->flatten_due(no_progress)));
        host.clock.advance(std::chrono::minutes(1));
    }
    CHECK(host.catalogue.rows().layers == before);
    CHECK(*host.files->list("/data/volumes") == *files);
    store->space().set_limits({});
    CHECK(value_of(store->flatten_due(no_progress)));
    CHECK(host.catalogue.rows().layers.size() == 1);
    CHECK(log.count("images.layer.rewritten") == 1);
    CHECK(read_sectors(*value_of(store->open_volume_disk(volume.name)), 0, 4096) == pattern(22, 0, 4096));
}
