// An ISO image as a volume of the store: opened where it lies, never changed or removed, and refused when it is another one.
#include "images/iso_image.hpp"

#include "images/store.hpp"
#include "support/catch.hpp"
#include "support/memory_catalogue.hpp"
#include "support/sim_file.hpp"

using namespace rootstock;
using namespace rootstock::test;
using Catch::Matchers::Contains;
using images::cdrom_options;

namespace {

constexpr const char* path = "/srv/debian.iso";
constexpr std::size_t iso_bytes = 20 * 2048;

/// A file whose first descriptor has `identifier`, each block filled with its number and `tag`.
ByteVector iso_content(std::string_view identifier = "CD001", std::size_t size = iso_bytes, std::uint8_t tag = 0) {
    ByteVector content(size);
    for (std::size_t i = 0; i < size; ++i) {
        content[i] = static_cast<std::uint8_t>(i / 2048 + tag);
    }
    if (size >= 17 * 2048) {
        std::copy(identifier.begin(), identifier.end(), content.begin() + 16 * 2048 + 1);
    }
    return content;
}

struct Host {
    SimFileSystem files;
    MemoryCatalogue catalogue;
    NullLog log;
    ManualClock clock;
    std::unique_ptr<images::Store> store;

    Host() {
        REQUIRE(files.make_directories("/srv"));
        auto opened = images::open_store(files, "/data", catalogue, log, clock);
        REQUIRE(opened);
        store = std::move(*opened);
    }
    void write(const ByteVector& content, const std::string& to = path) {
        REQUIRE(files.remove(to));
        const auto file = files.open(to, images::OpenMode::create_new);
        REQUIRE(file);
        REQUIRE((*file)->write_at(0, content));
    }
    [[nodiscard]] std::string why_not(const std::string& iso) {
        const auto facts = images::inspect_iso(files, iso);
        return facts ? "" : facts.error().what;
    }
};

} // namespace

TEST_CASE("an ISO image is a volume of its size, read-only, with its content", "[images][iso]") {
    Host host;
    for (const std::string_view identifier : {"CD001", "BEA01"}) {
        host.write(iso_content(identifier));
        REQUIRE(host.store->create_volume("debian", 0, {"*"}, cdrom_options(path)));
        const auto row = host.store->volumes()->front();
        CHECK(row.size_bytes == iso_bytes);
        CHECK(row.options == cdrom_options(path));
        {
            const auto disc = host.store->open_volume_disk("debian");
            REQUIRE(disc);
            CHECK((*disc)->geometry().logical_block_size == 2048);
            CHECK((*disc)->geometry().read_only);
            ByteVector content(iso_bytes);
            REQUIRE((*disc)->read(0, content));
            CHECK(content == iso_content(identifier));
            CHECK((*disc)->read(iso_bytes, MutableBytes(content).first(2048)).error() == block::IoError::out_of_range);
            CHECK((*disc)->write(0, ByteVector(2048), false).error() == block::IoError::read_only);
        }
        CHECK_FALSE(host.store->grow_volume("debian", 2 * iso_bytes));
        CHECK_FALSE(host.store->change_volume("debian", {.read_only = false}));
        REQUIRE(host.store->remove_volume("debian"));
        CHECK(host.files.exists(path));
    }
}

TEST_CASE("what is no ISO image is refused with the reason", "[images][iso]") {
    Host host;
    CHECK_THAT(host.why_not("debian.iso"), Contains("absolute path"));
    CHECK_THAT(host.why_not("/srv/none.iso"), Contains("/srv/none.iso"));
    host.write(iso_content("other"));
    CHECK_THAT(host.why_not(path), Contains("is no ISO image"));
    host.write(iso_content("CD001", 2048));
    CHECK_THAT(host.why_not(path), Contains("is no ISO image"));
    host.write(iso_content("CD001", iso_bytes + 512));
    CHECK_THAT(host.why_not(path), Contains("no multiple of 2048"));
    host.write(iso_content());
    CHECK(host.why_not(path).empty());
    host.write(iso_content("other"));
    CHECK_FALSE(host.store->create_volume("debian", 0, {"*"}, cdrom_options(path)));
    CHECK(host.store->volumes()->empty());
}

TEST_CASE("an ISO image that was changed or is gone is not served until somebody says so", "[images][iso]") {
    Host host;
    host.write(iso_content());
    REQUIRE(host.store->create_volume("debian", 0, {"*"}, cdrom_options(path)));
    const ByteVector longer = iso_content("CD001", iso_bytes + 2048, 7);
    host.write(longer);
    CHECK_THAT(host.store->open_volume_disk("debian").error().what,
               Contains("was changed since it became volume debian") && Contains("rootstock volume set debian --iso /srv/debian.iso"));
    REQUIRE(host.store->change_volume("debian", {.iso = path}));
    CHECK((*host.store->open_volume_disk("debian"))->geometry().size_bytes == longer.size());
    REQUIRE(host.store->close_volume_disk("debian"));
    REQUIRE(host.files.remove(path));
    CHECK_THAT(host.store->open_volume_disk("debian").error().what, Contains(path));
    CHECK_FALSE(host.store->change_volume("debian", {.iso = path}));
    host.write(iso_content(), "/srv/other.iso");
    REQUIRE(host.store->change_volume("debian", {.iso = "/srv/other.iso"}));
    CHECK(host.store->open_volume_disk("debian"));
}

TEST_CASE("a disk takes no ISO image", "[images][iso]") {
    Host host;
    host.write(iso_content());
    REQUIRE(host.store->create_volume("data", 1 << 20, {"*"}));
    CHECK_THAT(host.store->change_volume("data", {.iso = path}).error().what, Contains("no CD-ROM"));
}
