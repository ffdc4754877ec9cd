#include "images/layer_file.hpp"

#include "images/master.hpp"
#include "images/overlay.hpp"
#include "images_test_files.hpp"
#include "support/read_pieces.hpp"

#include "support/catch.hpp"

#include <algorithm>

using namespace rootstock;
using namespace rootstock::images;

TEST_CASE("Loading a layer brings in its data, and no zeros for its holes", "[images][layer]") {
    constexpr std::uint64_t mib = std::uint64_t{1} << 20U;
    constexpr std::uint64_t page = 4096;
    constexpr std::uint64_t disk_bytes = 32 * mib;
    TemporaryDirectory directory;
    const auto files = make_posix_file_system();
    const std::string parent = directory.file("parent.vhdx");
    const std::string path = directory.file("sparse.vhdx");
    REQUIRE(create_volume(*files, parent, disk_bytes));
    REQUIRE(value_of(open_volume(*files, parent))->close());
    {
        LayerFiles open_files(*files);
        const auto below = value_of(open_master(open_files, std::vector<LayerPlace>{{parent, {}}}));
        REQUIRE(create_persistent_overlay(*files, path, *below));
        const auto disk = value_of(open_persistent_overlay(*files, path, below));
        for (std::uint64_t offset = mib; offset < disk_bytes; offset += 2 * mib) {
            REQUIRE(disk->write(offset, ByteVector(page, 0x5a), false));
        }
        REQUIRE(disk->close());
    }
    const auto file = value_of(files->open(path, OpenMode::read_only));
    const std::uint64_t size = value_of(file->size());
    file->drop_cached(0, size);

    const auto layer = value_of(LayerFile::open(*files, {path, {}}));
    for (std::uint64_t chunk = 0; chunk * 2 * mib < size; ++chunk) {
        REQUIRE(layer->load(chunk));
    }
    const auto mapping = value_of(file->map_read_only());
    const std::uint64_t in_memory = mapping->resident_bytes(0, size);
    CHECK(in_memory >= disk_bytes / (2 * mib) * page);
    CHECK(in_memory <= value_of(file->allocated_bytes()) + mib);
    CHECK(in_memory < size / 2);

    REQUIRE(layer->refresh());
    GatheringSink sink; // the holes in between are zeros
    REQUIRE(layer->try_read(size - 2 * mib, 2 * mib, true, sink).status == block::TryStatus::done);
    const ByteVector contents = sink.contents();
    CHECK(std::ranges::count(contents, 0x5a) == static_cast<std::ptrdiff_t>(page));
}
