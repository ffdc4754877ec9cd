#include "images/vhd_layer.hpp"

#include "chain_files.hpp"
#include "core/text.hpp"
#include "core/unicode.hpp"
#include "images/image_reader.hpp"

#include <filesystem>

using namespace rootstock;
using namespace rootstock::images;
using Catch::Contains;

namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20U;

ByteVector read_all(ImageReader& reader) {
    ByteVector bytes(reader.size_bytes());
    REQUIRE(reader.read(0, bytes));
    return bytes;
}

/// A sound chain of three: base <- middle <- top, in a directory of their own.
struct VhdChain {
    TemporaryDirectory directory;
    std::unique_ptr<FileSystem> files = make_posix_file_system();
    DiskModel model;

    explicit VhdChain(std::uint64_t size, std::uint64_t seed = 1) : model(size, seed) {
        VhdFile base(*files, path("base"), size, Guid{{1}}, std::nullopt);
        for (std::uint64_t block = 0; block * VhdFile::block < size; block += 2) {
            base.place(block, 0xff);
            base.write(block * VhdFile::block, model.noise(block * VhdFile::block, VhdFile::block));
        }
        base.finish();
        add_child("middle", "base", Guid{{2}}, Guid{{1}});
        add_child("top", "middle", Guid{{3}}, Guid{{2}});
    }
    [[nodiscard]] std::string path(const std::string& name) const { return directory.file(name + ".vhd"); }

    void add_child(const std::string& name, const std::string& parent, const Guid& id, const Guid& parent_id) {
        const std::string relative = ".\\" + parent + ".vhd";
        VhdFile child(*files, path(name), model.bytes.size(), id, VhdFile::Parent{parent_id, {{"W2ku", "C:\\nowhere\\" + parent + ".vhd"}, {"W2ru", relative}}});
        for (std::uint64_t block = 0; block * VhdFile::block < model.bytes.size(); ++block) {
            if (model.random.u32() % 3 == 0) {
                continue;
            }
            child.place(block);
            for (int run = 0; run < 6; ++run) {
                const std::uint64_t in_block = model.random.u32() % 4096 * 512;
                const std::uint64_t offset = block * VhdFile::block + in_block;
                const std::uint64_t most = std::min(VhdFile::block - in_block, model.bytes.size() - std::min<std::uint64_t>(offset, model.bytes.size()));
                const std::uint64_t length = std::min<std::uint64_t>((1 + model.random.u32() % 50) * 512, most);
                child.write(offset, model.noise(std::min<std::uint64_t>(offset, model.bytes.size()), length));
                child.own(offset, length);
            }
        }
        child.finish();
        std::filesystem::create_symlink(path(parent), directory.file(relative)); // for 7-Zip
    }
};

std::string refusal(FileSystem& files, const std::string& path) {
    const auto reader = ImageReader::open(files, path);
    return reader ? "" : reader.error().what;
}

} // namespace

TEST_CASE("A chain of differencing VHD is read as one disk", "[images][vhd]") {
    const std::uint64_t size = GENERATE(24 * mib, 23 * mib + 512);
    const std::uint64_t seed = GENERATE(1U, 2U, 3U);
    CAPTURE(size, seed);
    VhdChain chain(size, seed);
    auto reader = value_of(ImageReader::open(*chain.files, chain.path("top")));
    CHECK(reader.layers().size() == 3);
    CHECK(reader.facts().kind == "differencing");
    CHECK(read_all(reader) == chain.model.bytes);
    if (!have_program("7zz")) {
        WARN("7zz is not installed: not compared (apt install 7zip)");
        return;
    }
    const auto extracted = run("7zz e -so -tVHD '" + chain.path("top") + "' > '" + chain.directory.file("7zip.raw") + "'");
    INFO(extracted.output);
    REQUIRE(extracted.status == 0);
    CHECK(chain.directory.read("7zip.raw") == chain.model.bytes);
}

TEST_CASE("VHD files that qemu-img makes are read as it reads them", "[images][vhd][tools]") {
    if (!have_program("qemu-img")) {
        WARN("qemu-img is not installed: skipped (apt install qemu-utils)");
        return;
    }
    const std::string options = GENERATE(as<std::string>(), "subformat=dynamic,force_size=on", "subformat=fixed,force_size=on", "subformat=dynamic", "subformat=fixed");
    CAPTURE(options);
    TemporaryDirectory directory;
    const auto files = make_posix_file_system();
    DiskModel model(17 * mib, 4);
    model.noise(0, 512);
    model.noise(5 * mib - 512, 2 * mib + 1024);
    model.noise(17 * mib - 4096, 4096);
    directory.write("disk.raw", as_text(model.bytes));
    REQUIRE(run("qemu-img convert -f raw -O vpc -o " + options + " '" + directory.file("disk.raw") + "' '" + directory.file("disk.vhd") + "'").status == 0);
    REQUIRE(run("qemu-img convert -f vpc -O raw '" + directory.file("disk.vhd") + "' '" + directory.file("again.raw") + "'").status == 0);
    auto reader = value_of(ImageReader::open(*files, directory.file("disk.vhd")));
    CHECK(read_all(reader) == directory.read("again.raw"));
    CHECK(reader.facts().problems.empty());
}

TEST_CASE("The footer of old software is one byte shorter", "[images][vhd]") {
    TemporaryDirectory directory;
    const auto files = make_posix_file_system();
    VhdFooter footer;
    footer.current_size = 4096;
    ByteVector bytes(4096, 'x');
    const ByteVector record = encode_vhd_footer(footer);
    bytes.insert(bytes.end(), record.begin(), record.end() - 1);
    directory.write("old.vhd", as_text(bytes));
    auto reader = value_of(ImageReader::open(*files, directory.file("old.vhd")));
    CHECK(reader.facts().kind == "fixed");
    CHECK(read_all(reader) == ByteVector(4096, 'x'));
}

TEST_CASE("A damaged footer is told, and its copy is read", "[images][vhd]") {
    VhdChain chain(8 * mib);
    const auto file = value_of(chain.files->open(chain.path("base"), OpenMode::read_write));
    const std::uint64_t size = value_of(file->size());
    SECTION("at the end") { REQUIRE(file->write_at(size - 100, as_bytes("x"))); }
    SECTION("cut off") { REQUIRE(file->resize(size - 512)); }
    SECTION("at the start") { REQUIRE(file->write_at(100, as_bytes("x"))); }
    auto reader = value_of(ImageReader::open(*chain.files, chain.path("top")));
    CHECK(read_all(reader) == chain.model.bytes);
    CHECK(reader.layers()[2]->facts().problems.size() == 1);
}

TEST_CASE("A damaged VHD is refused with the rule that it breaks", "[images][vhd]") {
    VhdChain chain(8 * mib);
    const auto file = value_of(chain.files->open(chain.path("base"), OpenMode::read_write));
    const std::uint64_t size = value_of(file->size());
    const auto put = [&](std::uint64_t offset, std::uint64_t value) {
        const be32 raw(static_cast<std::uint32_t>(value));
        REQUIRE(file->write_at(offset, object_bytes(raw)));
    };
    const auto change_header = [&](std::size_t offset, std::uint64_t value) {
        put(512 + offset, value);
        ByteVector header(1024);
        REQUIRE(file->read_at(512, header));
        put(512 + vhd_header_checksum_offset, vhd_checksum(header, vhd_header_checksum_offset));
    };
    const auto change_footers = [&](std::size_t offset, std::uint64_t value) {
        for (const std::uint64_t at : {std::uint64_t{0}, size - 512}) {
            put(at + offset, value);
            ByteVector footer(512);
            REQUIRE(file->read_at(at, footer));
            put(at + vhd_footer_checksum_offset, vhd_checksum(footer, vhd_footer_checksum_offset));
        }
    };
    VhdError expected{};
    SECTION("both footers") {
        put(100, 1);
        put(size - 100, 1);
        expected = VhdError::footer_none_valid;
    }
    SECTION("version") {
        change_footers(12, 0x20000);
        expected = VhdError::footer_version;
    }
    SECTION("type") {
        change_footers(60, 5);
        expected = VhdError::disk_type;
    }
    SECTION("size") {
        change_footers(52, 100);
        expected = VhdError::virtual_size;
    }
    SECTION("header beyond the end") {
        change_footers(16, 1);
        expected = VhdError::header_placement;
    }
    SECTION("header's checksum") {
        put(512 + 30, 77);
        expected = VhdError::header_invalid;
    }
    SECTION("header's version") {
        change_header(24, 0);
        expected = VhdError::header_version;
    }
    SECTION("block size") {
        change_header(32, 3 * mib);
        expected = VhdError::block_size;
    }
    SECTION("table too small") {
        change_header(28, 3);
        expected = VhdError::table_too_small;
    }
    SECTION("table too large") {
        change_header(28, 0xffffffff);
        expected = VhdError::table_too_large;
    }
    SECTION("table beyond the end") {
        change_header(16, 1);
        expected = VhdError::table_placement;
    }
    SECTION("block beyond the end") {
        put(1536, (size - 512) / 512);
        expected = VhdError::block_placement;
    }
    SECTION("two blocks at one place") {
        put(1536 + 4, 128);
        expected = VhdError::block_overlap;
    }
    SECTION("block over the header") {
        put(1536, 2);
        expected = VhdError::block_overlap;
    }
    CHECK_THAT(refusal(*chain.files, chain.path("base")), Contains(std::string(vhd_rule(expected))) && Contains(chain.path("base")));
}

TEST_CASE("The parent of a VHD is known by its unique id, not by its name", "[images][vhd]") {
    VhdChain chain(8 * mib);
    std::filesystem::remove(chain.path("base"));
    VhdFile other(*chain.files, chain.path("base"), 8 * mib, Guid{{77}}, std::nullopt);
    other.finish();
    CHECK_THAT(refusal(*chain.files, chain.path("top")), Contains("its unique id is not the parent's"));
}
