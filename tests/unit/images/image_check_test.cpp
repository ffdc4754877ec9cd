#include "images/image_check.hpp"

#include "chain_files.hpp"
#include "core/text.hpp"
#include "images/convert.hpp"

using namespace rootstock;
using namespace rootstock::images;
using Catch::Contains;

namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20U;

struct Checked {
    TemporaryDirectory directory;
    std::unique_ptr<FileSystem> files = make_posix_file_system();

    void make(OutputFormat format) const {
        DiskModel model(9 * mib, 1);
        model.noise(5 * mib, 4096);
        directory.write("disk.raw", as_text(model.bytes));
        REQUIRE(convert_image(*files, {directory.file("disk.raw"), directory.file("disk"), format, false}, {}));
    }
    void damage(std::uint64_t offset, std::string_view bytes) const {
        const auto file = value_of(files->open(directory.file("disk"), OpenMode::read_write));
        REQUIRE(file->write_at(offset, as_bytes(bytes)));
    }
    [[nodiscard]] ImageReport report() const { return value_of(check_image(*files, directory.file("disk"), {})); }
};

} // namespace

TEST_CASE("A sound image of any format is found sound", "[images][check][tools]") {
    if (!have_program("qemu-img")) {
        WARN("qemu-img is not installed: skipped (apt install qemu-utils)");
        return;
    }
    const auto [format, name, kind] = GENERATE(table<OutputFormat, std::string, std::string>(
        {{OutputFormat::raw, "raw", "flat"}, {OutputFormat::vhdx, "VHDX", "dynamic"}, {OutputFormat::vhdx_fixed, "VHDX", "fixed"},
         {OutputFormat::vhd, "VHD", "dynamic"}, {OutputFormat::vhd_fixed, "VHD", "fixed"}, {OutputFormat::qcow2, "qcow2", ""}, {OutputFormat::vmdk, "VMDK", ""}}));
    CAPTURE(name);
    const Checked checked;
    checked.make(format);
    const ImageReport report = checked.report();
    INFO(join(report.problems, "\n"));
    CHECK(report.sound());
    CHECK(report.format == name);
    CHECK(report.kind == kind);
    CHECK(report.size_bytes == 9 * mib);
    CHECK(report.data_bytes == (kind.empty() ? 0 : 2 * mib));
    CHECK(report.chain == std::vector<std::string>{checked.directory.file("disk")});
}

TEST_CASE("Damage is reported with its rule", "[images][check]") {
    const Checked checked;
    SECTION("a rule of VHDX") {
        checked.make(OutputFormat::vhdx);
        checked.damage(3 * mib, "\x0c");
        CHECK_THAT(join(checked.report().problems, "\n"), Contains("[MS-VHDX] 2.5.1"));
    }
    SECTION("one of two region tables") {
        checked.make(OutputFormat::vhdx);
        checked.damage(192 * 1024 + 200, "x");
        CHECK_THAT(join(checked.report().problems, "\n"), Contains("region table 1 is damaged"));
        CHECK(checked.report().size_bytes == 9 * mib);
    }
    SECTION("a rule of VHD") {
        checked.make(OutputFormat::vhd);
        checked.damage(600, "x");
        CHECK_THAT(join(checked.report().problems, "\n"), Contains("[VHD] Dynamic Disk Header Format"));
    }
    SECTION("qcow2, by qemu-img") {
        if (!have_program("qemu-img")) {
            WARN("qemu-img is not installed: skipped (apt install qemu-utils)");
            return;
        }
        checked.make(OutputFormat::qcow2);
        checked.damage(65536 * 2, std::string(64, '\xff'));
        CHECK_FALSE(checked.report().sound());
    }
}

TEST_CASE("A header that power loss tore is noted, and the disk is sound", "[images][check]") {
    const Checked checked;
    checked.make(OutputFormat::vhdx);
    checked.damage(64 * 1024 + 200, "x");
    const ImageReport report = checked.report();
    CHECK(report.sound());
    CHECK_THAT(join(report.notes, "\n"), Contains("header 1 is torn"));
    CHECK(report.size_bytes == 9 * mib);
}

TEST_CASE("An image that lost its mark is not taken for a raw disk", "[images][check]") {
    const Checked checked;
    const std::string name = GENERATE("disk.vhdx", "disk.AVHDX", "disk.vhd", "disk.qcow2", "disk.vdi");
    checked.directory.write(name, std::string(mib, 'x'));
    const auto report = check_image(*checked.files, checked.directory.file(name), {});
    REQUIRE_FALSE(report);
    CHECK_THAT(report.error().what, Contains("does not have its mark"));
    CHECK_FALSE(ImageReader::open(*checked.files, checked.directory.file(name)));
}

TEST_CASE("A file that is not there is an error, not a report", "[images][check]") {
    const Checked checked;
    CHECK_FALSE(check_image(*checked.files, checked.directory.file("nowhere"), {}));
}
