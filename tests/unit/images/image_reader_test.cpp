#include "images/image_reader.hpp"

#include "chain_files.hpp"
#include "core/text.hpp"
#include "core/unicode.hpp"
#include "images/limits.hpp"
#include "images/vhdx_image.hpp"
#include "images/vhdx_log.hpp"
#include "support/vhdx_validator.hpp"

#include <filesystem>

using namespace rootstock;
using namespace rootstock::images;
using Catch::Contains;

namespace {

constexpr std::uint64_t mib = vhdx::mib;

ByteVector read_all(ImageReader& reader) {
    ByteVector bytes(reader.size_bytes());
    REQUIRE(reader.read(0, bytes));
    return bytes;
}

/// No byte that the extents call zeros is anything else.
void check_extents(ImageReader& reader, const ByteVector& model) {
    for (std::uint64_t offset = 0; offset < reader.size_bytes();) {
        const auto extent = value_of(reader.extent(offset, reader.size_bytes() - offset));
        REQUIRE(extent.length != 0);
        if (!extent.data) {
            const auto from = model.begin() + static_cast<std::ptrdiff_t>(offset);
            REQUIRE(std::all_of(from, from + static_cast<std::ptrdiff_t>(extent.length), [](std::uint8_t byte) { return byte == 0; }));
        }
        offset += extent.length;
    }
}

std::string refusal(FileSystem& files, const std::string& path) {
    const auto reader = ImageReader::open(files, path);
    return reader ? "" : reader.error().what;
}

/// A chain of VHDX files d0 <- d1 <- ...; the model is what the last one shows.
struct VhdxChain {
    TemporaryDirectory directory;
    std::unique_ptr<FileSystem> files = make_posix_file_system();
    DiskModel model;
    std::uint32_t sector;
    std::vector<Guid> guids;

    VhdxChain(std::uint64_t size, std::uint32_t sector_size, std::uint64_t seed) : model(size, seed), sector(sector_size) {}
    [[nodiscard]] std::string path(std::size_t level) const { return directory.file("d" + std::to_string(level) + ".vhdx"); }

    VhdxMetadata metadata(std::uint32_t block_size) const {
        VhdxMetadata metadata;
        metadata.virtual_disk_size = model.bytes.size();
        metadata.block_size = block_size;
        metadata.logical_sector_size = sector;
        return metadata;
    }
    void add_base() {
        VhdxFile base(*files, path(0), metadata(2U << 20U), 100);
        for (std::uint64_t block = 0; block < base.block_count(); block += 2) {
            base.place(block, PayloadState::fully_present);
            base.write(block * base.block_size(), model.noise(block * base.block_size(), base.block_size()));
        }
        guids.push_back(base.data_write_guid());
    }
    void add_child(std::uint32_t block_size) {
        const std::size_t level = guids.size();
        VhdxMetadata child = metadata(block_size);
        child.parent = make_parent_locator(path(level), path(level - 1), guids.back());
        VhdxFile file(*files, path(level), child, 100 + level);
        fill_child(file, model, sector);
        guids.push_back(file.data_write_guid());
        // On Linux, 7-Zip takes the backslashes of a relative_path for a part of the file's name.
        std::filesystem::create_symlink(path(level - 1), directory.file(".\\d" + std::to_string(level - 1) + ".vhdx"));
    }
};

} // namespace

TEST_CASE("A chain of eight differencing VHDX is read as one disk", "[images][reader][vhdx]") {
    const std::uint32_t sector = GENERATE(512U, 4096U);
#ifdef ROOTSTOCK_SANITIZED
    const std::uint64_t seed = 1;
#else
    const std::uint64_t seed = GENERATE(1U, 2U, 3U);
#endif
    CAPTURE(sector, seed);
    VhdxChain chain(23 * mib, sector, seed);
    chain.add_base();
    for (const std::uint32_t block_mib : {2U, 1U, 2U, 4U, 32U, 1U, 2U}) {
        chain.add_child(block_mib << 20U);
    }
    auto reader = value_of(ImageReader::open(*chain.files, chain.path(7)));
    CHECK(reader.layers().size() == 8);
    CHECK(reader.facts().logical_sector_size == sector);
    CHECK(read_all(reader) == chain.model.bytes);
    check_extents(reader, chain.model.bytes);
    ByteVector odd(3 * mib + sector);
    REQUIRE(reader.read(5 * mib - sector, odd));
    CHECK(std::ranges::equal(odd, Bytes(chain.model.bytes).subspan(5 * mib - sector, odd.size())));
    if (!have_program("7zz")) {
        WARN("7zz is not installed: not compared (apt install 7zip)");
        return;
    }
    REQUIRE(run("7zz e -so -tVHDX '" + chain.path(7) + "' > '" + chain.directory.file("7zip.raw") + "' 2>'" + chain.directory.file("7zip.log") + "'").status == 0);
    CHECK(chain.directory.read("7zip.raw") == chain.model.bytes);
}

TEST_CASE("A parent that is not the one the child was made on is refused", "[images][reader][vhdx]") {
    VhdxChain chain(8 * mib, 512, 1);
    chain.add_base();
    SECTION("changed since") {
        chain.guids.back() = Guid{{1, 2, 3}};
        chain.add_child(2U << 20U);
        CHECK_THAT(refusal(*chain.files, chain.path(1)), Contains("parent_linkage is not its DataWriteGuid ([MS-VHDX] 2.6.2.6.3)") && Contains(chain.path(0)));
    }
    SECTION("gone") {
        chain.add_child(2U << 20U);
        std::filesystem::remove(chain.path(0));
        CHECK_THAT(refusal(*chain.files, chain.path(1)), Contains("its parent is not there") && Contains(chain.path(0)));
    }
    SECTION("no VHDX") {
        chain.add_child(2U << 20U);
        std::filesystem::remove(chain.path(0));
        chain.directory.write("d0.vhdx", std::string(4096, 'x'));
        CHECK_THAT(refusal(*chain.files, chain.path(1)), Contains(chain.path(0)) && Contains("does not have its mark"));
    }
    SECTION("of another format") {
        chain.add_child(2U << 20U);
        std::filesystem::remove(chain.path(0));
        chain.directory.write("d0.vhdx", "QFI\xfb" + std::string(4096, 'x'));
        CHECK_THAT(refusal(*chain.files, chain.path(1)), Contains("is a qcow2 image"));
    }
    SECTION("of another sector size") {
        chain.sector = 4096;
        chain.add_child(2U << 20U);
        CHECK_THAT(refusal(*chain.files, chain.path(1)), Contains("another logical sector size"));
    }
}

TEST_CASE("The parent is found by each of its paths, and where the chain was moved to", "[images][reader][vhdx]") {
    struct Case {
        const char* key;
        const char* value; // DIR: the directory with backslashes
    };
    const auto place = GENERATE(Case{"relative_path", ".\\sub\\base.vhdx"}, Case{"relative_path", "sub\\..\\sub\\base.vhdx"},
                                Case{"absolute_win32_path", "\\\\?\\C:DIR\\sub\\base.vhdx"}, Case{"absolute_win32_path", "C:DIR\\sub\\base.vhdx"},
                                Case{"absolute_win32_path", "DIR\\sub\\base.vhdx"},
                                Case{"volume_path", "\\\\?\\Volume{26A21BDA-A627-11D7-9931-806E6F6E6963}DIR\\sub\\base.vhdx"},
                                Case{"absolute_win32_path", "D:\\elsewhere\\moved.vhdx"});
    CAPTURE(place.value);
    VhdxChain chain(4 * mib, 512, 1);
    chain.add_base();
    std::string windows = chain.directory.path();
    std::ranges::replace(windows, '/', '\\');
    std::string value = place.value;
    if (const std::size_t at = value.find("DIR"); at != std::string::npos) {
        value.replace(at, 3, windows);
    }
    VhdxMetadata child = chain.metadata(2U << 20U);
    child.parent = VhdxParentLocator{{{"parent_linkage", "{" + chain.guids[0].text() + "}"}, {place.key, value}}};
    const VhdxFile file(*chain.files, chain.directory.file("child.vhdx"), child, 9);
    std::filesystem::create_directory(chain.directory.file("sub"));
    std::filesystem::rename(chain.path(0), value.ends_with("moved.vhdx") ? chain.directory.file("moved.vhdx") : chain.directory.file("sub/base.vhdx"));
    auto reader = value_of(ImageReader::open(*chain.files, chain.directory.file("child.vhdx")));
    CHECK(read_all(reader) == chain.model.bytes);
}

TEST_CASE("While a merge is under way parent_linkage2 names the parent as well", "[images][reader][vhdx]") {
    VhdxChain chain(4 * mib, 512, 1);
    chain.add_base();
    VhdxMetadata child = chain.metadata(2U << 20U);
    child.parent = make_parent_locator("/c.vhdx", "/d0.vhdx", Guid{{9}});
    child.parent->entries.emplace_back("parent_linkage2", "{" + chain.guids[0].text() + "}");
    const VhdxFile file(*chain.files, chain.directory.file("child.vhdx"), child, 9);
    auto reader = value_of(ImageReader::open(*chain.files, chain.directory.file("child.vhdx")));
    CHECK(read_all(reader) == chain.model.bytes);
}

TEST_CASE("A chain that comes back to itself, or is too long, is refused", "[images][reader][vhdx]") {
    VhdxChain chain(4 * mib, 512, 1);
    SECTION("itself as parent") {
        VhdxMetadata child = chain.metadata(2U << 20U);
        child.parent = make_parent_locator("/a/self.vhdx", "/a/self.vhdx", Guid{{7}});
        {
            VhdxFile file(*chain.files, chain.directory.file("self.vhdx"), child, 9);
            const std::string linkage = "{" + file.data_write_guid().text() + "}";
            const ByteVector metadata = encode_metadata([&] {
                VhdxMetadata mine = child;
                mine.parent->entries[0].second = linkage;
                return mine;
            }());
            REQUIRE(file.file().write_at(file.plan().regions.metadata.offset, metadata));
        }
        CHECK_THAT(refusal(*chain.files, chain.directory.file("self.vhdx")), Contains("comes back to"));
    }
    SECTION("more than the limit") {
        chain.add_base();
        for (std::size_t level = 1; level <= limits::chain_depth; ++level) {
            VhdxMetadata child = chain.metadata(2U << 20U);
            child.parent = make_parent_locator(chain.path(level), chain.path(level - 1), chain.guids.back());
            chain.guids.push_back(VhdxFile(*chain.files, chain.path(level), child, level).data_write_guid());
        }
        CHECK(refusal(*chain.files, chain.path(limits::chain_depth - 1)).empty());
        CHECK_THAT(refusal(*chain.files, chain.path(limits::chain_depth)), Contains("more than 64 files"));
    }
}

TEST_CASE("A child may be larger than its parent: zeros behind its end", "[images][reader][vhdx]") {
    VhdxChain chain(5 * mib, 512, 1);
    chain.add_base();
    VhdxMetadata child = chain.metadata(2U << 20U);
    child.virtual_disk_size = 9 * mib;
    child.parent = make_parent_locator("/c.vhdx", "/d0.vhdx", chain.guids[0]);
    const VhdxFile file(*chain.files, chain.directory.file("child.vhdx"), child, 9);
    auto reader = value_of(ImageReader::open(*chain.files, chain.directory.file("child.vhdx")));
    ByteVector expected = chain.model.bytes;
    expected.resize(9 * mib);
    CHECK(read_all(reader) == expected);
}

TEST_CASE("A log that was not replayed is laid over what is read, and the file stays as it is", "[images][reader][vhdx]") {
    VhdxChain chain(8 * mib, 512, 1);
    VhdxFile disk(*chain.files, chain.path(0), chain.metadata(2U << 20U), 5);
    // The block is in the file; the table that names it is in the log alone.
    disk.place(1, PayloadState::fully_present);
    const ByteVector noise = chain.model.noise(2 * mib, 2 * mib);
    disk.write(2 * mib, noise);
    ByteVector page(4096);
    REQUIRE(disk.file().read_at(disk.plan().regions.bat.offset, page));
    disk.put_state(1, {PayloadState::not_present, 0});
    const std::uint64_t size = value_of(disk.file().size());
    const Guid log_guid{{4, 4}};
    const std::array pages{VhdxLogPage{disk.plan().regions.bat.offset, page}};
    REQUIRE(disk.file().write_at(disk.plan().log.offset, encode_log_entry({0, 0, 1, size, size, {}}, log_guid, pages)));
    const auto image = value_of(open_vhdx_read_only(disk.file()));
    SeededRandom random(3);
    REQUIRE(VhdxHeaderWriter(disk.file(), image.current, random).begin_changes(log_guid));
    const ByteVector before = chain.directory.read("d0.vhdx");

    auto reader = value_of(ImageReader::open(*chain.files, chain.path(0)));
    CHECK(read_all(reader) == chain.model.bytes);
    CHECK_THAT(join(reader.facts().notes, ""), Contains("log was replayed in memory"));
    CHECK(chain.directory.read("d0.vhdx") == before);
}

TEST_CASE("A broken copy of a structure is told, and the other one is read", "[images][reader][vhdx]") {
    const auto [offset, name] = GENERATE(table<std::uint64_t, std::string>({{64 * vhdx::kib, "header 1"}, {128 * vhdx::kib, "header 2"},
                                                                            {192 * vhdx::kib, "region table 1"}, {256 * vhdx::kib, "region table 2"}}));
    CAPTURE(name);
    VhdxChain chain(8 * mib, 512, 1);
    chain.add_base();
    const auto file = value_of(chain.files->open(chain.path(0), OpenMode::read_write));
    REQUIRE(file->write_at(offset + 16, as_bytes("xxxx")));
    auto reader = value_of(ImageReader::open(*chain.files, chain.path(0)));
    CHECK(read_all(reader) == chain.model.bytes);
    const LayerFacts& facts = reader.facts();
    CHECK_THAT(join(facts.problems, "") + join(facts.notes, ""), Contains(name + " is "));
    CHECK(facts.problems.empty() == name.starts_with("header")); // power lost while it is written leaves a header so
}

TEST_CASE("A raw image of an odd size is padded with zeros", "[images][reader]") {
    TemporaryDirectory directory;
    const auto files = make_posix_file_system();
    directory.write("disk.raw", std::string(mib + 100, 'x'));
    auto reader = value_of(ImageReader::open(*files, directory.file("disk.raw")));
    ByteVector expected(2 * mib);
    std::fill_n(expected.begin(), mib + 100, std::uint8_t{'x'});
    CHECK(read_all(reader) == expected);
    CHECK_FALSE(value_of(reader.extent(mib + 100, 100)).data);
}

TEST_CASE("A file that changes while it is read is noticed", "[images][reader]") {
    TemporaryDirectory directory;
    const auto files = make_posix_file_system();
    directory.write("disk.raw", std::string(4096, 'x'));
    auto reader = value_of(ImageReader::open(*files, directory.file("disk.raw")));
    REQUIRE(reader.check_unchanged());
    directory.write("disk.raw", std::string(8192, 'y'));
    const auto changed = reader.check_unchanged();
    REQUIRE_FALSE(changed);
    CHECK_THAT(changed.error().what, Contains("was changed while it was read"));
}
