#include "images/foreign_image.hpp"

#include "core/wire_int.hpp"
#include "images_test_files.hpp"

#include <algorithm>

using namespace rootstock;
using namespace rootstock::images;
using Catch::Contains;

namespace {

std::string refusal(const TemporaryDirectory& directory, std::string_view contents) {
    directory.write("disk", contents);
    const auto files = make_posix_file_system();
    const auto file = value_of(files->open(directory.file("disk"), OpenMode::read_only));
    const auto alone = check_self_contained(*file, value_of(probe_format(*file)));
    return alone ? "" : alone.error().what;
}

template <class T> void put(std::string& bytes, std::size_t offset, std::uint64_t value) {
    const T raw(static_cast<typename T::value_type>(value));
    bytes.replace(offset, sizeof raw, as_text(object_bytes(raw)));
}

} // namespace

TEST_CASE("A qcow2 with a backing file or data elsewhere is refused", "[images][foreign]") {
    const TemporaryDirectory directory;
    std::string bytes(512, '\0');
    bytes.replace(0, 4, "QFI\xfb");
    put<be32>(bytes, 4, 3);
    CHECK(refusal(directory, bytes).empty());
    SECTION("backing file") {
        put<be64>(bytes, 8, 0x1000);
        CHECK_THAT(refusal(directory, bytes), Contains("stands on a backing file"));
    }
    SECTION("external data") {
        put<be64>(bytes, 72, 4);
        CHECK_THAT(refusal(directory, bytes), Contains("data lies in another file"));
    }
    SECTION("version 2 has no such feature") {
        put<be32>(bytes, 4, 2);
        put<be64>(bytes, 72, 4);
        CHECK(refusal(directory, bytes).empty());
    }
    SECTION("cut off") { CHECK(refusal(directory, bytes.substr(0, 6)).empty()); }
}

TEST_CASE("A QED with a backing file is refused", "[images][foreign]") {
    const TemporaryDirectory directory;
    std::string bytes(512, '\0');
    bytes.replace(0, 3, "QED");
    CHECK(refusal(directory, bytes).empty());
    put<le64>(bytes, 16, 1);
    CHECK_THAT(refusal(directory, bytes), Contains("stands on a backing file"));
}

TEST_CASE("A VMDK may only name files beside it", "[images][foreign]") {
    struct Case {
        const char* lines;
        const char* refused; // null: it is not
    };
    const auto descriptor = GENERATE(Case{"RW 100 FLAT \"disk-flat.vmdk\" 0\n", nullptr}, Case{"RW 100 ZERO\n", nullptr},
                                     Case{"RW 100 FLAT \"/etc/shadow\" 0\n", "outside its directory"},
                                     Case{"RDONLY 100 FLAT \"../disk.vmdk\" 0\r\n", "outside its directory"},
                                     Case{"RW 100 FLAT \"nbd:localhost\" 0\n", "outside its directory"},
                                     Case{"parentFileNameHint=\"base.vmdk\"\n", "stands on another one"});
    CAPTURE(descriptor.lines);
    const TemporaryDirectory directory;
    const std::string text = "# Disk DescriptorFile\nversion=1\n" + std::string(descriptor.lines);
    std::string sparse(4096, '\0'); // with the same text within
    sparse.replace(0, 4, "KDMV");
    put<le64>(sparse, 28, 2);
    put<le64>(sparse, 36, 1);
    sparse.replace(1024, text.size(), text);
    for (const std::string& contents : {text, sparse}) {
        const std::string reason = refusal(directory, contents);
        CHECK(reason.empty() == (descriptor.refused == nullptr));
        CHECK_THAT(reason, Contains(descriptor.refused == nullptr ? "" : descriptor.refused));
    }
}
