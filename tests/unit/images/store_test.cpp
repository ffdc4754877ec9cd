#include "images/image_reader.hpp"
#include "support/store_host.hpp"

#include <set>

using namespace rootstock;
using namespace rootstock::test;
using images::ChapIdentity;
using images::OverlayKind;
using images::VolumeKind;
using images::VolumeOptions;
using images::chap_secret_max;
using images::chap_secret_min;
using images::chap_user_max;
using images::check_chap;

TEST_CASE("a machine's disk shows the image until the machine writes", "[images][store]") {
    Host host;
    const auto store = host.open();
    REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress));
    for (const OverlayKind kind : {OverlayKind::persistent, OverlayKind::reset}) {
        const std::string machine = kind == OverlayKind::persistent ? "lab1-01" : "lab1-02";
        const auto disk = store->open_machine_disk(machine, "win11", kind);
        REQUIRE(disk);
        REQUIRE(read_sectors(**disk, 100, 8) == pattern(7, 100, 8));
        write_sectors(**disk, 9, 102, 2);
        REQUIRE(read_sectors(**disk, 101, 1) == pattern(7, 101, 1));
        REQUIRE(read_sectors(**disk, 102, 2) == pattern(9, 102, 2));
        REQUIRE(*store->open_machine_disk(machine, "win11", kind) == *disk);
    }
    REQUIRE(host.has("images/win11/v0001.vhdx"));
    REQUIRE(host.has("overlays/lab1-01.vhdx"));
    REQUIRE(host.has("overlays/lab1-02.reset"));
}

TEST_CASE("a persistent overlay stays on its version, a new one gets the current", "[images][store]") {
    Host host;
    host.write_raw("/srv/next.raw", 8);
    {
        const auto store = host.open();
        REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress));
        write_sectors(**store->open_machine_disk("lab1-01", "win11", OverlayKind::persistent), 9, 0, 1);
        REQUIRE(store->import({"/srv/next.raw"}, "win11", no_progress)->number == 2);
        store->close_all();
    }
    const auto store = host.open();
    const auto old_disk = store->open_machine_disk("lab1-01", "win11", OverlayKind::persistent);
    REQUIRE(read_sectors(**old_disk, 0, 1) == pattern(9, 0, 1));
    REQUIRE(read_sectors(**old_disk, 1, 1) == pattern(7, 1, 1));
    REQUIRE(read_sectors(**store->open_machine_disk("lab1-02", "win11", OverlayKind::persistent), 1, 1) == pattern(8, 1, 1));
}

TEST_CASE("an image that machines depend on is not removed, and they are named", "[images][store]") {
    Host host;
    const auto store = host.open();
    REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress));
    REQUIRE(store->open_machine_disk("lab1-01", "win11", OverlayKind::persistent));
    REQUIRE(store->open_machine_disk("lab1-02", "win11", OverlayKind::reset));
    REQUIRE_THAT(error_of(store->remove_image("win11")), Catch::Contains("lab1-01, lab1-02"));
    REQUIRE(store->images()->front().machines == std::vector<std::string>{"lab1-01", "lab1-02"});
    REQUIRE(store->remove_machine_disk("lab1-01"));
    REQUIRE(store->remove_machine_disk("lab1-02"));
    REQUIRE(store->remove_image("win11"));
    REQUIRE_FALSE(host.has("images/win11/v0001.vhdx"));
    REQUIRE(host.files->list("/data/overlays")->empty());
    REQUIRE_FALSE(store->open_machine_disk("lab1-01", "win11", OverlayKind::persistent));
}

TEST_CASE("a disk that is in use is not removed", "[images][store]") {
    Host host;
    const auto store = host.open();
    REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress));
    REQUIRE(store->create_volume("pool", image_bytes, {"*"}));
    auto disk = store->open_machine_disk("lab1-01", "win11", OverlayKind::reset);
    auto volume = store->open_volume_disk("pool");
    REQUIRE_THAT(error_of(store->remove_machine_disk("lab1-01")), Catch::Contains("in use"));
    REQUIRE_THAT(error_of(store->remove_volume("pool")), Catch::Contains("in use"));
    disk->reset();
    volume->reset();
    REQUIRE(store->remove_machine_disk("lab1-01"));
    REQUIRE(store->remove_volume("pool"));
    REQUIRE(store->volumes()->empty());
}

TEST_CASE("a machine's disk is closed when nobody uses it, and opened anew when it is wanted", "[images][store]") {
    Host host;
    const auto store = host.open();
    REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress));
    auto disk = store->open_machine_disk("lab1-01", "win11", OverlayKind::persistent);
    write_sectors(**disk, 9, 5, 1);
    REQUIRE_FALSE(store->close_machine_disk("lab1-01"));
    disk->reset();
    REQUIRE(host.has("overlays/lab1-01.vhdx.live"));
    REQUIRE(store->close_machine_disk("lab1-01"));
    REQUIRE(store->close_machine_disk("lab1-01"));
    REQUIRE_FALSE(host.has("overlays/lab1-01.vhdx.live"));
    REQUIRE(read_sectors(**store->open_machine_disk("lab1-01", "win11", OverlayKind::persistent), 5, 1) == pattern(9, 5, 1));
}

TEST_CASE("a changed master is refused with the names of the machines that depend on it", "[images][store]") {
    Host host;
    {
        const auto store = host.open();
        REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress));
        REQUIRE(store->open_machine_disk("lab1-01", "win11", OverlayKind::persistent));
        store->close_all();
    }
    SECTION("swapped for another image") {
        const auto store = host.open();
        REQUIRE(store->import({"/srv/win11.raw"}, "other", no_progress));
        REQUIRE(host.files->rename("/data/images/other/v0001.vhdx", "/data/images/win11/v0001.vhdx"));
    }
    SECTION("gone") { REQUIRE(host.files->remove("/data/images/win11/v0001.vhdx")); }
    const auto store = host.open();
    const auto disk = store->open_machine_disk("lab1-01", "win11", OverlayKind::persistent);
    REQUIRE_FALSE(disk);
    REQUIRE_THAT(disk.error().what, Catch::Contains("v0001.vhdx") && Catch::Contains("lab1-01"));
}

TEST_CASE("a reset overlay survives the process, and is made anew after the host went down", "[images][store]") {
    Host host;
    const auto store = host.open();
    REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress));
    write_sectors(**store->open_machine_disk("lab1-01", "win11", OverlayKind::reset), 9, 5, 1);

    Host after_death(host.files->after_process_death(), host.catalogue.rows());
    REQUIRE(read_sectors(**after_death.open()->open_machine_disk("lab1-01", "win11", OverlayKind::reset), 5, 1) == pattern(9, 5, 1));

    for (const unsigned kept : {0U, 50U, 100U}) {
        Host after_power_loss(host.files->after_power_loss({1, kept, 512}), host.catalogue.rows());
        REQUIRE(read_sectors(**after_power_loss.open()->open_machine_disk("lab1-01", "win11", OverlayKind::reset), 5, 1) == pattern(7, 5, 1));
    }
}

TEST_CASE("a machine's persistent disk is not thrown away by opening it as something else", "[images][store]") {
    Host host;
    const auto store = host.open();
    REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress));
    REQUIRE(store->open_machine_disk("lab1-01", "win11", OverlayKind::persistent));
    const auto other = store->open_machine_disk("lab1-01", "win11", OverlayKind::reset);
    REQUIRE_FALSE(other);
    REQUIRE_THAT(other.error().what, Catch::Contains("Reset the machine"));

    REQUIRE(store->open_machine_disk("lab1-02", "win11", OverlayKind::reset));
    REQUIRE(store->open_machine_disk("lab1-02", "win11", OverlayKind::persistent));
    REQUIRE_FALSE(host.has("overlays/lab1-02.reset"));
}

TEST_CASE("two servers never share a data directory", "[images][store]") {
    Host host;
    const auto store = host.open();
    const auto second = host.try_open();
    REQUIRE_FALSE(second);
    REQUIRE_THAT(second.error().what, Catch::Contains("another rootstock server"));
}

TEST_CASE("names that could leave the data directory are refused", "[images][store]") {
    Host host;
    const auto store = host.open();
    REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress));
    const std::vector<std::string> names = {"", "..", "../x", "a/b", ".hidden", "A", "-x", std::string(64, 'a'), "a b", "a\n"};
    for (const std::string& name : names) {
        INFO(name);
        REQUIRE_FALSE(store->import({"/srv/win11.raw"}, name, no_progress));
        REQUIRE_FALSE(store->create_volume(name, image_bytes, {}));
        REQUIRE_FALSE(store->open_machine_disk(name, "win11", OverlayKind::persistent));
    }
    REQUIRE(host.files->list("/data/overlays")->empty());
    REQUIRE(host.files->list("/data/volumes")->empty());
}

TEST_CASE("the rules of a volume's CHAP", "[images][store][chap]") {
    const ChapIdentity in{"backup", "at least 12 bytes"};
    const ChapIdentity out{"rootstock", "quite another one"};
    CHECK(check_chap({}, {}));
    CHECK(check_chap(in, {}));
    CHECK(check_chap(in, out));
    CHECK(check_chap({"backup", std::string(chap_secret_min, 's')}, {}));
    CHECK_THAT(check_chap({}, out).error().what, Catch::Contains("needs CHAP"));
    CHECK_THAT(check_chap(in, {"rootstock", in.secret}).error().what, Catch::Contains("different secrets"));
    CHECK_THAT(check_chap({"backup", std::string(chap_secret_min - 1, 's')}, {}).error().what,
               Catch::Contains("RFC 7143 section 9.2.1") && !Catch::Contains("sss"));
    CHECK_FALSE(check_chap({"backup", std::string(chap_secret_max + 1, 's')}, {}));
    CHECK_FALSE(check_chap({std::string(chap_user_max + 1, 'u'), in.secret}, {}));
    CHECK_FALSE(check_chap({"two\nlines", in.secret}, {}));
    CHECK_FALSE(check_chap({"", in.secret}, {}));
}

TEST_CASE("a volume's CHAP is changed by itself", "[images][store][chap]") {
    Host host;
    const auto store = host.open();
    VolumeOptions options;
    options.chap = {"backup", "at least 12 bytes"};
    REQUIRE(store->create_volume("pool", image_bytes, {"*"}, options));
    CHECK_FALSE(store->change_volume("pool", {.mutual_chap = ChapIdentity{"rootstock", "at least 12 bytes"}}));
    REQUIRE(store->change_volume("pool", {.mutual_chap = ChapIdentity{"rootstock", "quite another one"}}));
    CHECK_FALSE(store->change_volume("pool", {.chap = ChapIdentity{}}));
    REQUIRE(store->volumes()->front().initiators == std::vector<std::string>{"*"});
    CHECK(store->volumes()->front().options.chap == options.chap);
    REQUIRE(store->change_volume("pool", {.chap = ChapIdentity{}, .mutual_chap = ChapIdentity{}}));
    CHECK(store->volumes()->front().options == VolumeOptions());
    CHECK_FALSE(store->create_volume("open", image_bytes, {}, {.chap = {"backup", "short"}, .mutual_chap = {}}));
}

TEST_CASE("a volume grows while it is open, and closed; it never shrinks", "[images][store][grow]") {
    Host host;
    {
        const auto store = host.open();
        REQUIRE(store->create_volume("pool", image_bytes, {"*"}));
        auto disk = *store->open_volume_disk("pool");
        write_sectors(*disk, 9, 3, 1);
        REQUIRE(store->grow_volume("pool", 2 * image_bytes));
        CHECK(disk->geometry().size_bytes == 2 * image_bytes);
        REQUIRE(read_sectors(*disk, 3, 1) == pattern(9, 3, 1));
        const std::uint64_t last = 2 * image_bytes / 512 - 1;
        REQUIRE(read_sectors(*disk, last, 1) == pattern(zeros_tag, last, 1));
        write_sectors(*disk, 8, last, 1);
        CHECK(store->grow_volume("pool", image_bytes).error().code == std::errc::invalid_argument);
        CHECK_FALSE(store->grow_volume("pool", 2 * image_bytes + 512));
        CHECK(store->grow_volume("pool", 2 * image_bytes));
        CHECK_FALSE(store->grow_volume("nothing", 2 * image_bytes));
        disk.reset();
        store->close_all();
        REQUIRE(store->grow_volume("pool", 3 * image_bytes));
    }
    const auto store = host.open();
    CHECK(store->volumes()->front().size_bytes == 3 * image_bytes);
    const auto disk = *store->open_volume_disk("pool");
    CHECK(disk->geometry().size_bytes == 3 * image_bytes);
    const std::uint64_t last = 2 * image_bytes / 512 - 1;
    REQUIRE(read_sectors(*disk, 3, 1) == pattern(9, 3, 1));
    REQUIRE(read_sectors(*disk, last, 1) == pattern(8, last, 1));
}

TEST_CASE("a volatile volume is empty after a restart, and not after it was closed", "[images][store][volatile]") {
    Host host;
    VolumeOptions options;
    options.kind = VolumeKind::memory_only;
    options.block_size = 4096;
    {
        const auto store = host.open();
        REQUIRE(store->create_volume("scratch", image_bytes, {"*"}, options));
        REQUIRE(store->create_volume("other", image_bytes, {"*"}, options));
        CHECK((*store->open_volume_disk("scratch"))->geometry().logical_block_size == 4096);
        write_sectors(**store->open_volume_disk("scratch"), 9, 8, 8);
        REQUIRE(store->close_volume_disk("scratch"));
        REQUIRE(read_sectors(**store->open_volume_disk("scratch"), 8, 8) == pattern(9, 8, 8));
        CHECK(store->grow_volume("scratch", 2 * image_bytes).error().code == std::errc::not_supported);
        REQUIRE(store->remove_volume("other"));
        store->close_all();
    }
    const auto store = host.open();
    REQUIRE(store->volumes()->size() == 1);
    REQUIRE(read_sectors(**store->open_volume_disk("scratch"), 8, 8) == pattern(zeros_tag, 8, 8));
    REQUIRE(store->remove_volume("scratch"));
    REQUIRE(store->create_volume("scratch", image_bytes, {"*"}));
}

TEST_CASE("a volume keeps its contents and its initiators", "[images][store]") {
    Host host;
    {
        const auto store = host.open();
        REQUIRE(store->create_volume("pool", image_bytes, {"*"}));
        REQUIRE_FALSE(store->create_volume("pool", image_bytes, {"*"}));
        REQUIRE_FALSE(store->create_volume("odd", image_bytes + 512, {"*"}));
        REQUIRE(store->change_volume("pool", {.initiators = std::vector<std::string>{"iqn.2026-01.example:a"}}));
        write_sectors(**store->open_volume_disk("pool"), 9, 3, 1);
        store->close_all();
    }
    const auto store = host.open();
    REQUIRE(store->volumes()->front().initiators == std::vector<std::string>{"iqn.2026-01.example:a"});
    REQUIRE(read_sectors(**store->open_volume_disk("pool"), 3, 1) == pattern(9, 3, 1));
    REQUIRE(read_sectors(**store->open_volume_disk("pool"), 4, 1) == pattern(zeros_tag, 4, 1));
}

namespace {

/// Whatever the catalogue names is there and can be opened; whatever lies in the directory is in the catalogue.
void check_consistent(Host& host) {
    const auto store = host.open();
    std::set<std::string> known;
    for (const auto& row : host.catalogue.rows().versions) {
        known.insert(row.file);
        REQUIRE(store->open_machine_disk("probe", row.image, OverlayKind::reset));
        REQUIRE(store->remove_machine_disk("probe"));
    }
    for (const auto& row : host.catalogue.rows().overlays) {
        known.insert(row.file);
        const auto disk = store->open_machine_disk(row.machine, row.image, row.kind);
        INFO((disk ? "" : disk.error().what));
        REQUIRE(disk);
    }
    for (const auto& row : host.catalogue.rows().volumes) {
        known.insert(row.file);
        REQUIRE(store->open_volume_disk(row.name));
    }
    store->close_all();
    for (const std::string directory : {"images/win11", "overlays", "volumes"}) {
        const auto names = host.files->list("/data/" + directory);
        REQUIRE(names);
        for (const std::string& name : *names) {
            INFO(directory + "/" + name);
            REQUIRE((name.ends_with(".owned") || known.contains(directory + "/" + name)));
        }
    }
}

} // namespace

TEST_CASE("wherever the server or the host dies, files and catalogue agree afterwards", "[images][store]") {
    Host host;
    unsigned moments = 0;
    bool checking = false;
    const auto die_here = [&] {
        if (std::exchange(checking, true)) {
            return;
        }
        ++moments;
        Host after_death(host.files->after_process_death(), host.catalogue.rows());
        check_consistent(after_death);
        Host after_power_loss(host.files->after_power_loss({moments, moments % 3 * 50, 512}), host.catalogue.rows());
        check_consistent(after_power_loss);
        checking = false;
    };
    {
        auto store = host.open();
        host.files->before_change([&](const SimOperation&) { die_here(); });
        host.catalogue.before_change(die_here);
        REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress));
        REQUIRE(store->open_machine_disk("lab1-01", "win11", OverlayKind::persistent));
        REQUIRE(store->create_volume("pool", image_bytes, {"*"}));
        REQUIRE(store->remove_volume("pool"));
        REQUIRE(store->remove_machine_disk("lab1-01"));
        REQUIRE(store->remove_image("win11"));
        host.files->before_change({});
        host.catalogue.before_change({});
    }
    REQUIRE(moments > 60);
}

TEST_CASE("a disk that is lent out is whole in its file and belongs to nobody else meanwhile", "[images][store]") {
    Host host;
    const auto store = host.open();
    REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress));
    CHECK(error_of(store->hold_machine_disk("lab1-01")).find("has no disk of its own") != std::string::npos);
    auto disk = *store->open_machine_disk("lab1-01", "win11", OverlayKind::persistent);
    write_sectors(*disk, 9, 102, 2); // acknowledged, never flushed
    CHECK(error_of(store->hold_machine_disk("lab1-01")).find("is in use") != std::string::npos);
    disk.reset();
    {
        const auto held = store->hold_machine_disk("lab1-01");
        INFO(error_of(held));
        REQUIRE(held);
        CHECK(**held == "/data/overlays/lab1-01.vhdx");
        CHECK_FALSE(host.has("overlays/lab1-01.vhdx.live"));
        auto reader = images::ImageReader::open(*host.files, **held);
        REQUIRE(reader);
        ByteVector bytes(4 * model_sector);
        REQUIRE(reader->read(101 * model_sector, bytes));
        ByteVector expected = pattern(7, 101, 4);
        const ByteVector written = pattern(9, 102, 2);
        std::copy(written.begin(), written.end(), expected.begin() + model_sector);
        CHECK(bytes == expected);
        CHECK(error_of(store->hold_machine_disk("lab1-01")).find("is being exported") != std::string::npos);
        CHECK(error_of(store->open_machine_disk("lab1-01", "win11", OverlayKind::persistent)).find("is being exported") != std::string::npos);
        CHECK(error_of(store->remove_machine_disk("lab1-01")).find("is being exported") != std::string::npos);
    }
    CHECK(read_sectors(**store->open_machine_disk("lab1-01", "win11", OverlayKind::persistent), 102, 2) == pattern(9, 102, 2));
}

TEST_CASE("writes that a crash left in the live map are in the file that is lent out", "[images][store]") {
    Host host;
    {
        const auto store = host.open();
        REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress));
        write_sectors(**store->open_machine_disk("lab1-01", "win11", OverlayKind::persistent), 9, 102, 2);
    }
    Host after(host.files->after_process_death(), host.catalogue.rows());
    REQUIRE(after.has("overlays/lab1-01.vhdx.live"));
    const auto store = after.open();
    const auto held = store->hold_machine_disk("lab1-01");
    REQUIRE(held);
    auto reader = images::ImageReader::open(*after.files, **held);
    REQUIRE(reader);
    ByteVector bytes(2 * model_sector);
    REQUIRE(reader->read(102 * model_sector, bytes));
    CHECK(bytes == pattern(9, 102, 2));
}

TEST_CASE("a reset machine's disk is not lent out", "[images][store]") {
    Host host;
    const auto store = host.open();
    REQUIRE(store->import({"/srv/win11.raw"}, "win11", no_progress));
    REQUIRE(store->open_machine_disk("lab1-01", "win11", OverlayKind::reset));
    CHECK(error_of(store->hold_machine_disk("lab1-01")).find("thrown away at its next boot") != std::string::npos);
}

TEST_CASE("what was kept of standard input is removed at the next start", "[images][store]") {
    Host host;
    REQUIRE(host.files->make_directories("/data"));
    REQUIRE(host.files->open("/data/stdin.01234567.tmp", images::OpenMode::create_new));
    REQUIRE(host.files->open("/data/other.tmp", images::OpenMode::create_new));
    const auto store = host.open();
    CHECK_FALSE(host.has("stdin.01234567.tmp"));
    CHECK(host.has("other.tmp"));
}
