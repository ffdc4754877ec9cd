#include "images/image_reader.hpp"
#include "support/store_host.hpp"

using namespace rootstock;
using namespace rootstock::test;
using images::DiskKind;
using images::DiskName;
using images::OverlayKind;

namespace {

const DiskName volume{DiskKind::volume, "data"};

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
