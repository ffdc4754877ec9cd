// Every decoder of a VHDX structure on mutated input. Checksums are made right again, or nothing but the checksum would be tested.
#include "support/catch.hpp"

#include "core/random.hpp"
#include "images/master_extents.hpp"
#include "images/vhdx_checksum.hpp"
#include "images/vhdx_create.hpp"
#include "images/vhdx_image.hpp"
#include "support/fuzz.hpp"

#include <algorithm>
#include <filesystem>
#include <unistd.h>

using namespace rootstock;
using namespace rootstock::images;
using namespace rootstock::images::vhdx;

namespace {

VhdxMetadata child_disk() {
    VhdxMetadata metadata;
    metadata.virtual_disk_size = 16 * mib;
    metadata.parent = make_parent_locator("/a/b.vhdx", "/c/d.vhdx", Guid{{1, 2, 3}});
    return metadata;
}

/// What matters of a structure stands at its front; the rest is zeros.
ByteVector front(const ByteVector& structure, std::size_t size) { return {structure.begin(), structure.begin() + static_cast<std::ptrdiff_t>(size)}; }
ByteVector padded(Bytes input, std::size_t size) {
    ByteVector bytes(size);
    std::ranges::copy(input.first(std::min(input.size(), size)), bytes.begin());
    return bytes;
}

VhdxHeader some_header() { return {7, Guid{{1}}, Guid{{2}}, Guid{{3}}, 1U << 20U, 1U << 20U}; }

} // namespace

TEST_CASE("Headers", "[fuzz][vhdx]") {
    test::fuzz({front(encode_header(some_header()), 80)}, 50'000, [](Bytes input) {
        ByteVector record = padded(input, header_size);
        put_vhdx_checksum(record);
        if (const auto header = decode_header(record)) {
            const auto again = decode_header(encode_header(*header));
            REQUIRE((again && *again == *header));
        }
    });
}

TEST_CASE("Region tables", "[fuzz][vhdx]") {
    const VhdxRegions regions{{3 * mib, 1U << 20U}, {2 * mib, 1U << 20U}, {}};
    test::fuzz({front(encode_region_table(regions), 80)}, 10'000, [](Bytes input) {
        ByteVector table = padded(input, region_table_size);
        put_vhdx_checksum(table);
        if (const auto decoded = decode_region_table(table)) {
            REQUIRE(decoded->bat.offset >= mib);
            REQUIRE(decoded->bat.end() > decoded->bat.offset);
        }
    });
}

TEST_CASE("Metadata", "[fuzz][vhdx]") {
    // The input is the table's front and the items' bytes; between them lie 64 KiB less the front.
    const ByteVector region = encode_metadata(child_disk());
    static constexpr std::size_t table = 32 + 6 * 32;
    ByteVector corpus = front(region, table);
    corpus.insert(corpus.end(), region.begin() + metadata_table_size, region.end());
    test::fuzz({corpus}, 30'000, [](Bytes input) {
        ByteVector bytes = padded(input.first(std::min(input.size(), table)), metadata_table_size);
        const Bytes items = input.subspan(std::min(input.size(), table));
        bytes.insert(bytes.end(), items.begin(), items.end());
        if (const auto metadata = decode_metadata(bytes)) {
            const BatGeometry geometry(*metadata);
            REQUIRE(geometry.entry_count() >= geometry.block_count());
            const auto again = decode_metadata(encode_metadata(*metadata));
            REQUIRE((again && *again == *metadata));
        }
    });
}

TEST_CASE("Log entries", "[fuzz][vhdx]") {
    const ByteVector page(log_sector_size, 0x5a);
    const std::array pages{VhdxLogPage{2 * mib, page}, VhdxLogPage{3 * mib, page}};
    const ByteVector entry = encode_log_entry({0, 0, 9, 4 * mib, 4 * mib, {}}, Guid{{3}}, pages);
    // Input: header and descriptors. The data sectors stand where the sound entry has them.
    test::fuzz({front(entry, 64 + 2 * 32)}, 20'000, [&](Bytes input) {
        ByteVector log(64 * kib);
        std::ranges::copy(entry, log.begin());
        std::ranges::copy(input.first(std::min<std::size_t>(input.size(), log_sector_size)), log.begin());
        const std::uint32_t length = from_bytes<le32>(Bytes(log).subspan(8));
        if (length >= log_sector_size && length <= log.size()) {
            put_vhdx_checksum(MutableBytes(log).first(length));
        }
        if (const auto replay = VhdxReplay::find(log, Guid{{3}}, 4 * mib)) {
            ByteVector laid(64 * 1024);
            replay->overlay(2 * mib - 4096, laid);
        }
    });
}

TEST_CASE("Whole files: structures with right checksums that contradict one another", "[fuzz][vhdx]") {
    std::string directory = (std::filesystem::temp_directory_path() / "rootstock-fuzz-XXXXXX").string();
    REQUIRE(::mkdtemp(directory.data()) != nullptr);
    const auto files = make_posix_file_system();
    SeededRandom random(1);
    const VhdxMetadata metadata = child_disk();
    const VhdxPlan plan = plan_vhdx(metadata, vhdx_log_length_writable);
    REQUIRE(create_vhdx(*files, directory + "/disk.vhdx", metadata, random));
    const auto opened = files->open(directory + "/disk.vhdx", OpenMode::read_write);
    REQUIRE(opened);
    File& file = **opened;
    REQUIRE(file.resize(plan.payload_offset + 8 * mib));

    // Input: header | region table | metadata table and items | BAT, a fixed share each.
    struct Part {
        std::uint64_t offset;
        std::size_t size;      // of the input
        std::size_t structure; // what the checksum covers; 0: none
    };
    const std::array parts{Part{header_offsets[1], 80, header_size}, Part{region_table_offsets[0], 80, region_table_size},
                           Part{plan.regions.metadata.offset, 32 + 6 * 32, 0}, Part{plan.regions.metadata.offset + metadata_table_size, 300, 0},
                           Part{plan.regions.bat.offset, 64, 0}};
    ByteVector corpus;
    for (const Part& part : parts) {
        ByteVector bytes(part.size);
        REQUIRE(file.read_at(part.offset, bytes));
        corpus.insert(corpus.end(), bytes.begin(), bytes.end());
    }
    test::fuzz({corpus}, 10'000, [&](Bytes input) {
        ByteReader reader(input);
        for (const Part& part : parts) {
            ByteVector bytes = padded(reader.take(std::min(part.size, reader.remaining())), std::max(part.size, part.structure));
            if (part.structure != 0) {
                put_vhdx_checksum(bytes);
            }
            REQUIRE(file.write_at(part.offset, bytes));
        }
        std::vector<std::unique_ptr<ImageLayer>> layers(1);
        if (auto layer = open_image_layer(*files, directory + "/disk.vhdx")) {
            layers.front() = std::move(*layer);
            REQUIRE(MasterExtents::flatten(layers));
        }
    });
    std::filesystem::remove_all(directory);
}
