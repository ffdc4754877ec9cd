#include "images/convert.hpp"

#include "chain_files.hpp"
#include "support/vhdx_validator.hpp"

#include <filesystem>

using namespace rootstock;
using namespace rootstock::images;
using Catch::Contains;

namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20U;

struct Place {
    TemporaryDirectory directory;
    std::unique_ptr<FileSystem> files = make_posix_file_system();

    /// A raw image with data at its start, in its middle and at its end.
    DiskModel raw(std::uint64_t size) const {
        DiskModel model(size, 3);
        model.noise(0, 4096);
        model.noise(size / 2, 100 * 512);
        model.noise(size - 512, 512);
        directory.write("disk.raw", as_text(model.bytes));
        return model;
    }
    [[nodiscard]] std::string file(const std::string& name) const { return directory.file(name); }
    Result<void> convert(const std::string& from, const std::string& to, OutputFormat format, bool overwrite = false) const {
        return convert_image(*files, {file(from), file(to), format, overwrite}, {});
    }
    [[nodiscard]] std::vector<std::string> names() const { return value_of(files->list(directory.path())); }
};

std::string error_of(const Result<void>& result) { return result ? "" : result.error().what; }

} // namespace

TEST_CASE("Every format holds what went in, by independent programs and back again", "[images][convert][tools]") {
    struct Case {
        OutputFormat format;
        const char* qemu;
    };
    const auto to = GENERATE(Case{OutputFormat::raw, "raw"}, Case{OutputFormat::vhdx, "vhdx"}, Case{OutputFormat::vhdx_fixed, "vhdx"},
                             Case{OutputFormat::vhd, "vpc"}, Case{OutputFormat::vhd_fixed, "vpc"}, Case{OutputFormat::qcow2, "qcow2"},
                             Case{OutputFormat::vmdk, "vmdk"});
#ifdef ROOTSTOCK_SANITIZED
    const std::uint64_t size = 5 * mib + 512;
#else
    const std::uint64_t size = GENERATE(16 * mib, 33 * mib + 512);
#endif
    CAPTURE(to.qemu, size);
    if (!have_program("qemu-img")) {
        WARN("qemu-img is not installed: skipped (apt install qemu-utils)");
        return;
    }
    const Place place;
    const DiskModel model = place.raw(size);
    const auto converted = place.convert("disk.raw", "out", to.format);
    INFO(error_of(converted));
    REQUIRE(converted);
    const auto compared = run("qemu-img compare -f raw -F " + std::string(to.qemu) + " '" + place.file("disk.raw") + "' '" + place.file("out") + "'");
    INFO(compared.output);
    CHECK(compared.status == 0);
    if (to.format == OutputFormat::vhdx || to.format == OutputFormat::vhdx_fixed) {
        const test::VhdxInspector inspector(place.file("out"));
        INFO(inspector.report().text());
        CHECK(inspector.report().sound());
        CHECK(inspector.read(0, size) == model.bytes);
    }
    const bool vhd = to.format == OutputFormat::vhd || to.format == OutputFormat::vhd_fixed;
    if (vhd && have_program("7zz")) {
        const auto same = run("7zz e -so -tVHD '" + place.file("out") + "' 2>/dev/null | cmp - '" + place.file("disk.raw") + "'");
        INFO(same.output);
        CHECK(same.status == 0);
    }
    REQUIRE(place.convert("out", "back.raw", OutputFormat::raw));
    CHECK(place.directory.read("back.raw") == model.bytes);
    CHECK(place.names() == std::vector<std::string>{"back.raw", "disk.raw", "out"});
}

TEST_CASE("Zeros take no space in any format that is written natively", "[images][convert]") {
    const auto format = GENERATE(OutputFormat::raw, OutputFormat::vhdx, OutputFormat::vhdx_fixed, OutputFormat::vhd, OutputFormat::vhd_fixed);
    const Place place;
    place.directory.write("disk.raw", std::string(64 * mib, '\0'));
    REQUIRE(place.convert("disk.raw", "out", format));
    const auto file = value_of(place.files->open(place.file("out"), OpenMode::read_only));
    CHECK(value_of(file->allocated_bytes()) < mib);
}

TEST_CASE("A differencing chain becomes one disk that stands alone", "[images][convert]") {
    const Place place;
    DiskModel model(12 * mib, 5);
    const std::uint32_t sector = GENERATE(512U, 4096U);
    VhdxMetadata metadata;
    metadata.virtual_disk_size = model.bytes.size();
    metadata.logical_sector_size = sector;
    Guid base_guid;
    {
        VhdxFile base(*place.files, place.file("base.vhdx"), metadata, 1);
        base.place(1, PayloadState::fully_present);
        base.write(2 * mib, model.noise(2 * mib, 2 * mib));
        base_guid = base.data_write_guid();
    }
    metadata.parent = make_parent_locator(place.file("child.vhdx"), place.file("base.vhdx"), base_guid);
    {
        VhdxFile child(*place.files, place.file("child.vhdx"), metadata, 2);
        fill_child(child, model, sector);
    }
    REQUIRE(place.convert("child.vhdx", "flat.vhdx", OutputFormat::vhdx));
    const test::VhdxInspector inspector(place.file("flat.vhdx"));
    INFO(inspector.report().text());
    CHECK(inspector.report().sound());
    CHECK_FALSE(inspector.report().differencing);
    CHECK(inspector.report().logical_sector_size == sector);
    CHECK(inspector.read(0, model.bytes.size()) == model.bytes);
    const auto vhd = place.convert("child.vhdx", "flat.vhd", OutputFormat::vhd);
    CHECK(static_cast<bool>(vhd) == (sector == 512));
    CHECK_THAT(error_of(vhd), Contains(sector == 512 ? "" : "sectors of 4096 bytes"));

    const auto over_parent = place.convert("child.vhdx", "base.vhdx", OutputFormat::vhdx, true);
    CHECK_THAT(error_of(over_parent), Contains("is a parent of"));
}

TEST_CASE("What is there is not written over unless told so", "[images][convert]") {
    const Place place;
    const DiskModel model = place.raw(4 * mib);
    place.directory.write("out", "precious");
    CHECK_THAT(error_of(place.convert("disk.raw", "out", OutputFormat::raw)), Contains("exists already"));
    CHECK(as_text(place.directory.read("out")) == "precious");
    REQUIRE(place.convert("disk.raw", "out", OutputFormat::raw, true));
    CHECK(place.directory.read("out") == model.bytes);
    REQUIRE(place.convert("disk.raw", "disk.raw", OutputFormat::vhdx, true)); // in its own place
    CHECK(test::VhdxInspector(place.file("disk.raw")).read(0, 4 * mib) == model.bytes);
}

TEST_CASE("A damaged source gives no output", "[images][convert]") {
    const Place place;
    const DiskModel model = place.raw(4 * mib);
    REQUIRE(place.convert("disk.raw", "sound.vhdx", OutputFormat::vhdx));
    const auto file = value_of(place.files->open(place.file("sound.vhdx"), OpenMode::read_write));
    REQUIRE(file->write_at(3 * mib, as_bytes("\x0c"))); // the first entry of the BAT: state 4
    const auto format = GENERATE(OutputFormat::raw, OutputFormat::qcow2);
    CHECK_THAT(error_of(place.convert("sound.vhdx", "out", format)), Contains("[MS-VHDX] 2.5.1"));
    CHECK(place.names() == std::vector<std::string>{"disk.raw", "sound.vhdx"});
}

TEST_CASE("A cancelled conversion leaves nothing", "[images][convert]") {
    const Place place;
    place.raw(4 * mib);
    const auto format = GENERATE(OutputFormat::raw, OutputFormat::vhdx, OutputFormat::qcow2);
    const auto converted = convert_image(*place.files, {place.file("disk.raw"), place.file("out"), format, false}, [](const ImportProgress&) { return false; });
    REQUIRE_FALSE(converted);
    CHECK(converted.error().code == std::errc::operation_canceled);
    CHECK(place.names() == std::vector<std::string>{"disk.raw"});
}

TEST_CASE("The format is taken from the name's end", "[images][convert]") {
    CHECK(output_format_of("a.vhd") == OutputFormat::vhd);
    CHECK(output_format_of("/x.y/a.qcow2") == OutputFormat::qcow2);
    CHECK(output_format_of("a.img") == OutputFormat::raw);
    CHECK(output_format_of("vhdx") == OutputFormat::raw);
    for (const std::string& name : output_format_names()) {
        CHECK(output_format_names()[static_cast<std::size_t>(*parse_output_format(name))] == name);
    }
    CHECK_FALSE(parse_output_format("vdi"));
}
