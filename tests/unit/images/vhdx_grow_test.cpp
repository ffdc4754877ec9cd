// Growing a volume: room for it, what is refused, and power cuts at every change of the file.
#include "images/vhdx_grow.hpp"
#include "images/overlay.hpp"
#include "support/catch.hpp"
#include "support/disk_model.hpp"
#include "support/sim_file.hpp"
#include "support/vhdx_validator.hpp"

using namespace rootstock;
using namespace rootstock::test;

namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20U;
const std::string path = "/data/v.vhdx";

std::string structural_problems(SimFileSystem& files) {
    const auto file = files.open(path, images::OpenMode::read_only);
    REQUIRE(file);
    const auto read = [&](std::uint64_t offset, std::span<std::uint8_t> out) { REQUIRE((*file)->read_at(offset, out)); };
    return VhdxInspector(read, *(*file)->size()).report().text();
}

void write_block(block::BlockDevice& disk, std::uint64_t offset, std::uint8_t byte) {
    REQUIRE(disk.write(offset, ByteVector(4096, byte), false));
}

/// The volume is sound, has one of the two sizes, and holds what it held.
void check(SimFileSystem& files, std::uint64_t before, std::uint64_t after) {
    REQUIRE(structural_problems(files) == "");
    const auto disk = images::open_volume(files, path);
    REQUIRE(disk);
    const std::uint64_t size = (*disk)->geometry().size_bytes;
    REQUIRE((size == before || size == after));
    ByteVector block(4096);
    REQUIRE((*disk)->read(2 * mib, block));
    REQUIRE(block == ByteVector(4096, 0x5a));
    REQUIRE((*disk)->read(size - 4096, block));
    REQUIRE(block == ByteVector(4096, 0));
    write_block(**disk, size - 4096, 0x77); // the new part can be used
    REQUIRE((*disk)->close());
    REQUIRE(structural_problems(files) == "");
}

SimFileSystem& with_volume(SimFileSystem& files, std::uint64_t size_bytes) {
    REQUIRE(files.make_directories("/data"));
    REQUIRE(images::create_volume(files, path, size_bytes));
    const auto disk = images::open_volume(files, path);
    REQUIRE(disk);
    write_block(**disk, 2 * mib, 0x5a);
    REQUIRE((*disk)->close());
    return files;
}

} // namespace

TEST_CASE("power lost at any moment of growing leaves the old size or the new one", "[images][vhdx][grow]") {
    constexpr std::uint64_t before = 6 * mib;
    constexpr std::uint64_t after = 300 * mib;
    SimFileSystem files;
    with_volume(files, before);
    std::uint64_t changes = 0;
    files.before_change([&](const SimOperation&) {
        ++changes;
        check(*files.after_process_death(), before, after);
        for (const unsigned kept : {0U, 50U, 100U}) {
            check(*files.after_power_loss({changes * 8 + kept, kept, 512}), before, after);
        }
    });
    REQUIRE(images::grow_volume(files, path, after));
    files.before_change({});
    CHECK(changes > 5);
    check(*files.after_power_loss({1, 0, 512}), after, after); // durable once it is said
}

TEST_CASE("a volume has room to grow to 64 times its size, and no further", "[images][vhdx][grow]") {
    const std::uint64_t size = GENERATE(6 * mib, std::uint64_t{12} << 30U);
    const std::uint64_t most = size * images::volume_growth;
    SimFileSystem files;
    with_volume(files, size);
    REQUIRE(images::grow_volume(files, path, most));
    check(files, most, most);
}

TEST_CASE("what growing refuses changes nothing", "[images][vhdx][grow]") {
    SimFileSystem files;
    with_volume(files, 6 * mib);
    CHECK_THAT(images::grow_volume(files, path, 5 * mib).error().what, Catch::Contains("never shrinks"));
    CHECK_FALSE(images::grow_volume(files, path, 6 * mib + 512));
    CHECK_THAT(images::grow_volume(files, path, std::uint64_t{4} << 40U).error().what, Catch::Contains("without room"));
    static_cast<void>(files.take_operations());
    REQUIRE(images::grow_vhdx(files, path, 6 * mib)); // the size it has
    CHECK(files.take_operations().empty());
    const auto open = images::open_volume(files, path);
    REQUIRE(open);
    CHECK_FALSE(images::grow_vhdx(files, path, 8 * mib)); // somebody has it open
}
