#include "support/catch.hpp"

#include "core/random.hpp"
#include "images/import.hpp"
#include "images/vhdx_layout.hpp"
#include "images_test_files.hpp"
#include "support/read_pieces.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

using namespace rootstock;
using namespace rootstock::images;
using block::IoError;
using block::TryStatus;

namespace {

constexpr std::uint64_t mib = vhdx::mib;

/// An imported master over 8 MiB of noise, a hole of 8 MiB, and 4 MiB of noise.
struct Imported {
    TemporaryDirectory directory;
    std::unique_ptr<FileSystem> files = make_posix_file_system();
    ByteVector contents;
    MasterIdentity identity;

    Imported() : contents(20 * mib) {
        SeededRandom random(11);
        random.fill(MutableBytes(contents).first(8 * mib));
        random.fill(MutableBytes(contents).subspan(16 * mib));
        directory.write("disk.raw", as_text(contents));
        identity = value_of(import_image(*files, directory.file("disk.raw"), path(), {})).identity;
    }
    [[nodiscard]] std::string path() const { return directory.file("master.vhdx"); }
    [[nodiscard]] std::shared_ptr<Master> open() const { return value_of(open_master(*files, path(), identity)); }
    [[nodiscard]] ByteVector expected(std::uint64_t offset, std::size_t length) const {
        const Bytes part = Bytes(contents).subspan(offset, length);
        return {part.begin(), part.end()};
    }
    /// As somebody who ignores the mode does.
    [[nodiscard]] std::unique_ptr<File> writable() const {
        REQUIRE(::chmod(path().c_str(), 0644) == 0);
        return value_of(files->open(path(), OpenMode::read_write));
    }
};

} // namespace

TEST_CASE("A master's geometry is that of its disk", "[images][master]") {
    const Imported imported;
    const auto geometry = imported.open()->geometry();
    CHECK(geometry.size_bytes == 20 * mib);
    CHECK(geometry.logical_block_size == 512);
    CHECK(geometry.physical_block_size == 4096);
    CHECK(geometry.read_only);
}

TEST_CASE("What is not known to be in memory is a miss, and after its load it is mapped", "[images][master]") {
    const Imported imported;
    const auto master = imported.open();
    GatheringSink first;
    const auto miss = master->try_read(4096, 8192, true, first);
    REQUIRE(miss.status == TryStatus::would_block);
    REQUIRE(miss.miss.loader);
    REQUIRE(miss.miss.loader->load(miss.miss.chunk));
    GatheringSink second;
    REQUIRE(master->try_read(4096, 8192, true, second).status == TryStatus::done);
    CHECK(second.mapped_bytes == 8192);
    CHECK(second.contents() == imported.expected(4096, 8192));
}

TEST_CASE("Reads give the disk's contents over borders of extents and holes", "[images][master]") {
    const Imported imported;
    const auto master = imported.open();
    struct Range {
        std::uint64_t offset;
        std::size_t length;
    };
    for (const Range& range : {Range{0, 512}, Range{0, 20 * mib}, Range{2 * mib - 512, 1024}, Range{8 * mib - 4096, 8192}, Range{9 * mib, 4096},
                               Range{16 * mib - 512, 1024}, Range{20 * mib - 512, 512}, Range{5 * mib + 512, 6 * mib}}) {
        CAPTURE(range.offset, range.length);
        const ByteVector expected = imported.expected(range.offset, range.length);
        ByteVector blocking(range.length);
        REQUIRE(master->read(range.offset, blocking));
        CHECK(blocking == expected);
        CHECK(read_with_loads(*master, range.offset, range.length, true) == expected);
        CHECK(read_with_loads(*master, range.offset, range.length, false) == expected);
    }
}

TEST_CASE("Neighbouring blocks are one piece: a boot read is one extent", "[images][master]") {
    const Imported imported;
    const auto master = imported.open();
    REQUIRE(read_with_loads(*master, 0, 8 * mib, true).size() == 8 * mib);
    GatheringSink sink;
    REQUIRE(master->try_read(mib, 6 * mib, true, sink).status == TryStatus::done);
    CHECK(sink.piece_count() == 1);
}

TEST_CASE("Without a mapping, bytes come in buffers that may be touched", "[images][master]") {
    const Imported imported;
    const auto master = imported.open();
    REQUIRE(read_with_loads(*master, 0, 4096, false) == imported.expected(0, 4096));
    GatheringSink sink;
    REQUIRE(master->try_read(0, 4096, false, sink).status == TryStatus::done);
    CHECK(sink.mapped_bytes == 0);
}

TEST_CASE("Holes are zeros and wait for nothing", "[images][master]") {
    const Imported imported;
    const auto master = imported.open();
    GatheringSink sink;
    REQUIRE(master->try_read(10 * mib, 65536, true, sink).status == TryStatus::done);
    CHECK(sink.zero_bytes == 65536);
    CHECK_FALSE(master->extent(10 * mib, 65536).mapped);
    CHECK(master->extent(8 * mib, 20 * mib).length == 8 * mib);
    CHECK(master->extent(0, 20 * mib).length == 8 * mib);
    CHECK(master->extent(0, 4096).mapped);
}

TEST_CASE("Nobody writes to a master", "[images][master]") {
    const Imported imported;
    const auto master = imported.open();
    const ByteVector data(512);
    CHECK(master->try_write(0, data).error == IoError::read_only);
    CHECK(master->write(0, data, false).error() == IoError::read_only);
    CHECK(master->discard(0, 512).error() == IoError::read_only);
    CHECK(master->flush());
}

TEST_CASE("A range beyond the end is refused, not read", "[images][master]") {
    const Imported imported;
    const auto master = imported.open();
    GatheringSink sink;
    CHECK(master->try_read(20 * mib, 512, true, sink).error == IoError::out_of_range);
    ByteVector out(1024);
    CHECK(master->read(20 * mib - 512, out).error() == IoError::out_of_range);
    CHECK(master->read(~std::uint64_t{511}, out).error() == IoError::out_of_range);
}

TEST_CASE("A master that differs from its record is refused, saying how", "[images][master]") {
    const Imported imported;
    SeededRandom random(12);
    MasterIdentity expected = imported.identity;
    std::string difference;
    SECTION("size of the file") {
        expected.file_size += 512;
        difference = "bytes, it had";
    }
    SECTION("size of the disk") {
        expected.virtual_size += 512;
        difference = "its disk has";
    }
    SECTION("contents") {
        expected.data_write_guid = Guid::random(random);
        difference = "DataWriteGuid";
    }
    const auto opened = open_master(*imported.files, imported.path(), expected);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().what.find(difference) != std::string::npos);
    CHECK(opened.error().what.find(imported.path()) != std::string::npos);
}

TEST_CASE("A master that changes under us is gone from then on", "[images][master]") {
    const Imported imported;
    const auto master = imported.open();
    REQUIRE(read_with_loads(*master, 0, 4096, true).size() == 4096);
    SECTION("truncated") { REQUIRE(imported.writable()->resize(8 * mib)); }
    SECTION("written to") { REQUIRE(imported.writable()->write_at(8 * mib, ByteVector(512))); }
    master->refresh();
    GatheringSink sink;
    CHECK(master->try_read(0, 4096, true, sink).error == IoError::gone);
    ByteVector out(512);
    CHECK(master->read(0, out).error() == IoError::gone);
}

TEST_CASE("A load beyond a truncated end is an error, not a signal", "[images][master]") {
    const Imported imported;
    const auto master = imported.open();
    GatheringSink sink;
    const auto miss = master->try_read(18 * mib, 4096, true, sink);
    REQUIRE(miss.status == TryStatus::would_block);
    REQUIRE(imported.writable()->resize(5 * mib));
    CHECK_FALSE(miss.miss.loader->load(miss.miss.chunk));
    CHECK_FALSE(miss.miss.loader->load(~std::uint64_t{0}));
}

TEST_CASE("What the kernel evicted is a miss again after a refresh", "[images][master]") {
    struct AddressSink final : block::ReadSink {
        void mapped(Bytes bytes) override { address = const_cast<std::uint8_t*>(bytes.data()); }
        MutableBytes buffer(std::size_t) override { return {}; }
        void zeros(std::size_t) override {}
        void* address = nullptr;
    };
    const Imported imported;
    const auto master = imported.open();
    REQUIRE(read_with_loads(*master, 0, 2 * mib, true).size() == 2 * mib);
    master->refresh();
    AddressSink sink;
    REQUIRE(master->try_read(0, 2 * mib, true, sink).status == TryStatus::done);

    std::vector<unsigned char> pages(2 * mib / 4096);
    ::madvise(sink.address, 2 * mib, MADV_PAGEOUT);
    REQUIRE(::mincore(sink.address, 2 * mib, pages.data()) == 0);
    if (std::ranges::all_of(pages, [](unsigned char page) { return (page & 1U) != 0; })) {
        WARN("the kernel does not give up the pages here: not tested");
        return;
    }
    CHECK(master->try_read(0, 2 * mib, true, sink).status == TryStatus::done);
    master->refresh();
    CHECK(master->try_read(0, 2 * mib, true, sink).status == TryStatus::would_block);
}

TEST_CASE("Masters of other programs: dynamic and fixed VHDX by qemu-img", "[images][master][tools]") {
    if (!have_program("qemu-img")) {
        WARN("qemu-img is not installed: skipped (apt install qemu-utils)");
        return;
    }
    const std::string options = GENERATE(std::string("subformat=dynamic"), std::string("subformat=fixed"), std::string("subformat=dynamic,block_size=1M"),
                                         std::string("subformat=dynamic,block_size=32M"), std::string("subformat=dynamic,block_state_zero=off"));
    CAPTURE(options);
    const Imported imported;
    const std::string other = imported.directory.file("other.vhdx");
    const auto made = run("qemu-img convert -f raw -O vhdx -o " + options + " '" + imported.directory.file("disk.raw") + "' '" + other + "'");
    INFO(made.output);
    REQUIRE(made.status == 0);
    const auto master = value_of(open_master(*imported.files, other, std::nullopt));
    CHECK(read_with_loads(*master, 0, 20 * mib, true) == imported.contents);
    CHECK(read_with_loads(*master, 0, 20 * mib, false) == imported.contents);
}
