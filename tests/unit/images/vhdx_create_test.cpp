#include "support/catch.hpp"

#include "images/vhdx_create.hpp"
#include "images/vhdx_image.hpp"
#include "images_test_files.hpp"
#include "support/vhdx_validator.hpp"

#include <filesystem>

using namespace rootstock;
using namespace rootstock::images;
using rootstock::test::VhdxInspector;

namespace {

constexpr std::uint64_t mib = vhdx::mib;
constexpr std::uint64_t gib = 1024 * mib;

VhdxMetadata disk_of(std::uint64_t size) {
    VhdxMetadata metadata;
    metadata.virtual_disk_size = size;
    return metadata;
}

} // namespace

TEST_CASE("A new disk is sound, empty and of the size that was asked for", "[images][vhdx][create]") {
    const std::uint64_t size = GENERATE(std::uint64_t{512}, 2 * mib - 512, 2 * mib, 5 * mib + 4096, 4 * gib, 4 * gib + 512, 2048 * gib);
    CAPTURE(size);
    TemporaryDirectory directory;
    SeededRandom random(1);
    const auto files = make_posix_file_system();
    REQUIRE(create_vhdx(*files, directory.file("new.vhdx"), disk_of(size), random));

    const VhdxInspector inspector(directory.file("new.vhdx"));
    INFO(inspector.report().text());
    CHECK(inspector.report().sound());
    CHECK_FALSE(inspector.report().dirty);
    CHECK_FALSE(inspector.report().differencing);
    CHECK(inspector.report().virtual_size == size);
    CHECK(inspector.report().block_size == 2 * mib);
    CHECK(inspector.report().owned_sectors == 0);
    CHECK(value_of(files->list(directory.path())) == std::vector<std::string>{"new.vhdx"});
}

TEST_CASE("A new differencing disk has its bitmap blocks, in a sparse file, and names its parent", "[images][vhdx][create]") {
    TemporaryDirectory directory;
    SeededRandom random(2);
    const auto files = make_posix_file_system();
    VhdxMetadata metadata = disk_of(40 * gib);
    const Guid parent = Guid::random(random);
    metadata.parent = make_parent_locator(directory.file("overlays/seat.vhdx"), directory.file("images/win11/v0001.vhdx"), parent);
    REQUIRE(files->make_directories(directory.file("overlays")));
    REQUIRE(create_vhdx(*files, directory.file("overlays/seat.vhdx"), metadata, random));

    const VhdxInspector inspector(directory.file("overlays/seat.vhdx"));
    INFO(inspector.report().text());
    CHECK(inspector.report().sound());
    CHECK(inspector.report().differencing);
    CHECK(inspector.report().parent_locator.at("parent_linkage") == "{" + parent.text() + "}");
    CHECK(inspector.report().parent_locator.at("relative_path") == "..\\images\\win11\\v0001.vhdx");

    const auto file = files->open(directory.file("overlays/seat.vhdx"), OpenMode::read_only);
    REQUIRE(file);
    const auto image = open_vhdx_read_only(**file);
    REQUIRE(image);
    const auto bat = read_bat(**file, *image);
    REQUIRE(bat);
    for (std::uint64_t chunk = 0; chunk < 10; ++chunk) {
        CHECK(value_of(decode_bitmap_entry((*bat)[image->geometry().bitmap_index(chunk)])).state == BitmapState::present);
    }
    CHECK(value_of((*file)->allocated_bytes()) < mib);
}

TEST_CASE("The payload of a new disk starts at a multiple of its blocks", "[images][vhdx][create]") {
    VhdxMetadata metadata = disk_of(100 * gib);
    for (const bool differencing : {false, true}) {
        if (differencing) {
            metadata.parent = VhdxParentLocator{};
        }
        const VhdxPlan plan = plan_vhdx(metadata, vhdx_log_length_writable);
        CHECK(plan.payload_offset % metadata.block_size == 0);
        CHECK(plan.regions.bat.length >= BatGeometry(metadata).table_bytes());
    }
}

TEST_CASE("A disk is never created over a file that exists", "[images][vhdx][create]") {
    TemporaryDirectory directory;
    SeededRandom random(3);
    const auto files = make_posix_file_system();
    REQUIRE(create_vhdx(*files, directory.file("a.vhdx"), disk_of(mib), random));
    const auto again = create_vhdx(*files, directory.file("a.vhdx"), disk_of(2 * mib), random);
    REQUIRE_FALSE(again);
    CHECK(again.error().code == std::errc::file_exists);
}

TEST_CASE("What a crash left under the temporary name does not stand in the way", "[images][vhdx][create]") {
    TemporaryDirectory directory;
    SeededRandom random(4);
    const auto files = make_posix_file_system();
    directory.write("a.vhdx.tmp", "half a disk");
    REQUIRE(create_vhdx(*files, directory.file("a.vhdx"), disk_of(mib), random));
    CHECK(VhdxInspector(directory.file("a.vhdx")).report().sound());
}
