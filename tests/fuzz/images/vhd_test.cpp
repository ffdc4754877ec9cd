// VHD footers, headers and tables, and differencing chains, on mutated input. Checksums are made right again.
#include "support/catch.hpp"

#include "images/image_reader.hpp"
#include "images/vhd_dynamic_header.hpp"
#include "images/vhd_footer.hpp"
#include "images/vhd_writer.hpp"
#include "images/vhdx_create.hpp"
#include "support/fuzz.hpp"
#include "support/temporary_folder.hpp"

#include <algorithm>

using namespace rootstock;
using namespace rootstock::images;

namespace {

constexpr std::uint64_t disk_bytes = std::uint64_t{8} << 20U;

VhdFooter some_footer(vhd::DiskType type) { return {type, 512, disk_bytes, 9, Guid{{1}}, false}; }

/// Sums the structure at `offset` again.
void correct(MutableBytes file, std::size_t offset, std::size_t size, std::size_t checksum_offset) {
    if (file.size() >= offset + size) {
        const MutableBytes structure = file.subspan(offset, size);
        const be32 sum(vhd_checksum(structure, checksum_offset));
        std::memcpy(structure.data() + checksum_offset, &sum, sizeof sum);
    }
}

/// Everything a converter would do with the image, if it is one: every read is in bounds, and every extent moves on.
void read_through(FileSystem& files, const std::string& path) {
    auto reader = ImageReader::open(files, path);
    if (!reader) {
        REQUIRE_FALSE(reader.error().what.empty());
        return;
    }
    REQUIRE(reader->size_bytes() > 0);
    ByteVector bytes(4096);
    std::uint64_t offset = 0;
    for (int step = 0; step < 64 && offset < reader->size_bytes(); ++step) {
        const auto extent = reader->extent(offset, reader->size_bytes() - offset);
        REQUIRE(extent);
        REQUIRE(extent->length > 0);
        REQUIRE(extent->length <= reader->size_bytes() - offset);
        const std::size_t count = std::min<std::uint64_t>(bytes.size(), extent->length);
        REQUIRE(reader->read(offset, MutableBytes(bytes).first(count)));
        offset += extent->length;
    }
}

} // namespace

TEST_CASE("VHD footers", "[fuzz][vhd]") {
    test::fuzz({encode_vhd_footer(some_footer(vhd::DiskType::dynamic))}, 50'000, [](Bytes input) {
        ByteVector record(input.begin(), input.end());
        correct(record, 0, vhd::footer_size, vhd_footer_checksum_offset);
        if (const auto footer = decode_vhd_footer(record)) {
            const auto again = decode_vhd_footer(encode_vhd_footer(*footer));
            REQUIRE((again && *again == *footer));
        }
    });
}

TEST_CASE("VHD dynamic headers", "[fuzz][vhd]") {
    VhdDynamicHeader header;
    header.table_offset = 1536;
    header.max_table_entries = 4;
    test::fuzz({encode_vhd_dynamic_header(header)}, 50'000, [](Bytes input) {
        ByteVector record(input.begin(), input.end());
        correct(record, 0, vhd::dynamic_header_size, vhd_header_checksum_offset);
        if (const auto decoded = decode_vhd_dynamic_header(record)) {
            REQUIRE(decoded->bitmap_size() % vhd::sector == 0);
            REQUIRE(decoded->locators.size() <= 8);
        }
    });
}

TEST_CASE("Whole VHD files", "[fuzz][vhd]") {
    const test::TemporaryFolder folder;
    const auto files = make_posix_file_system();
    const auto file = files->open(folder.file("disk.vhd"), OpenMode::create_new);
    REQUIRE(file);
    constexpr std::uint64_t file_bytes = std::uint64_t{3} << 20U;
    // Input: footer | dynamic header | table; the rest of the file is a hole.
    const auto type = GENERATE(vhd::DiskType::dynamic, vhd::DiskType::differencing);
    ByteVector corpus = encode_vhd_footer(some_footer(type));
    VhdDynamicHeader header;
    header.table_offset = 1536;
    header.max_table_entries = 4;
    const ByteVector record = encode_vhd_dynamic_header(header);
    corpus.insert(corpus.end(), record.begin(), record.end());
    for (const int byte : {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}) {
        corpus.push_back(static_cast<std::uint8_t>(byte));
    }
    REQUIRE((*file)->resize(file_bytes));
    test::fuzz({corpus}, 5'000, [&](Bytes input) {
        ByteVector front(4096);
        std::ranges::copy(input.first(std::min(input.size(), front.size())), front.begin());
        correct(front, 0, vhd::footer_size, vhd_footer_checksum_offset);
        correct(front, vhd::footer_size, vhd::dynamic_header_size, vhd_header_checksum_offset);
        REQUIRE((*file)->write_at(0, front));
        REQUIRE((*file)->write_at(file_bytes - vhd::footer_size, Bytes(front).first(vhd::footer_size)));
        read_through(*files, folder.file("disk.vhd"));
    });
}

TEST_CASE("VHDX chains: locators, tables and bitmaps that contradict one another", "[fuzz][vhdx]") {
    const test::TemporaryFolder folder;
    const auto files = make_posix_file_system();
    SeededRandom random(1);
    VhdxMetadata metadata;
    metadata.virtual_disk_size = disk_bytes;
    REQUIRE(create_vhdx(*files, folder.file("base.vhdx"), metadata, random));
    const auto base = ImageReader::open(*files, folder.file("base.vhdx"));
    REQUIRE(base);
    metadata.parent = make_parent_locator("/a/child.vhdx", "/a/base.vhdx", base->facts().identity);
    REQUIRE(create_vhdx(*files, folder.file("child.vhdx"), metadata, random));
    const VhdxPlan plan = plan_vhdx(metadata, vhdx_log_length_writable);
    const auto file = files->open(folder.file("child.vhdx"), OpenMode::read_write);
    REQUIRE(file);
    REQUIRE((*file)->resize(plan.payload_offset + disk_bytes));

    // Input: metadata table | items | table | bits of the first block.
    struct Part {
        std::uint64_t offset;
        std::size_t size;
    };
    const std::array parts{Part{plan.regions.metadata.offset, 32 + 6 * 32}, Part{plan.regions.metadata.offset + vhdx::metadata_table_size, 400},
                           Part{plan.regions.bat.offset, 32}, Part{plan.bitmap_offset, 64}};
    ByteVector corpus;
    for (const Part& part : parts) {
        ByteVector bytes(part.size);
        REQUIRE((*file)->read_at(part.offset, bytes));
        corpus.insert(corpus.end(), bytes.begin(), bytes.end());
    }
    const le64 partial(encode_entry(PayloadEntry{PayloadState::partially_present, plan.payload_offset}));
    std::ranges::copy(object_bytes(partial), corpus.end() - 96);
    std::ranges::fill(corpus.end() - 40, corpus.end() - 20, std::uint8_t{0x5a});
    test::fuzz({corpus}, 10'000, [&](Bytes input) {
        ByteReader rest(input);
        for (const Part& part : parts) {
            ByteVector bytes(part.size);
            std::ranges::copy(rest.take(std::min(part.size, rest.remaining())), bytes.begin());
            REQUIRE((*file)->write_at(part.offset, bytes));
        }
        read_through(*files, folder.file("child.vhdx"));
    });
}
