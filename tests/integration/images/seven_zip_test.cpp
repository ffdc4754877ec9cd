// 7-Zip, the independent reader of differencing VHDX, agrees with us on what an overlay holds.

#include "images/chain_export.hpp"
#include "images/import.hpp"
#include "images/store.hpp"
#include "support/catch.hpp"
#include "support/disk_trace.hpp"
#include "support/memory_catalogue.hpp"
#include "support/temporary_folder.hpp"
#include "support/vhdx_validator.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

using namespace rootstock;
using namespace rootstock::test;

namespace {

bool have_seven_zip() {
    const bool have = std::system("command -v 7zz >/dev/null 2>&1") == 0;
    if (!have) {
        WARN("7zz (package 7zip) is missing: nothing was compared");
    }
    return have;
}

/// Image and overlay as a store lays them out.
struct Chain {
    TemporaryFolder folder;
    std::unique_ptr<images::FileSystem> files = images::make_posix_file_system();
    std::string raw = folder.file("win11.raw");
    std::string master = folder.file("images/win11/v0001.vhdx");
    std::string overlay = folder.file("overlays/lab1-07.vhdx");

    Chain() {
        REQUIRE(files->make_directories(folder.file("images/win11")));
        REQUIRE(files->make_directories(folder.file("overlays")));
    }
    /// A sparse raw file of `size` with the parent's pattern at `sectors`.
    void make(std::uint64_t size, const std::vector<std::pair<std::uint64_t, std::uint64_t>>& sectors) const {
        {
            const auto file = files->open(raw, images::OpenMode::create_new);
            REQUIRE(file);
            REQUIRE((*file)->resize(size));
            for (const auto& [first, count] : sectors) {
                REQUIRE((*file)->write_at(first * model_sector, pattern(parent_tag, first, count)));
            }
        }
        const auto imported = images::import_image(*files, raw, master, [](const images::ImportProgress&) { return true; });
        INFO((imported ? "" : imported.error().what));
        REQUIRE(imported);
        REQUIRE(images::create_persistent_overlay(*files, overlay, **images::open_master(*files, master, std::nullopt)));
        // On Linux, 7-Zip takes the backslashes of a relative_path for a part of the file's name.
        std::filesystem::create_symlink(master, folder.file("overlays/..\\images\\win11\\v0001.vhdx"));
    }
    [[nodiscard]] std::shared_ptr<images::Overlay> open() const {
        auto parent = images::open_master(*files, master, std::nullopt);
        REQUIRE(parent);
        const auto disk = images::open_persistent_overlay(*files, overlay, *parent);
        INFO((disk ? "" : disk.error().what));
        REQUIRE(disk);
        return *disk;
    }
    /// Calls visit(offset, bytes) with all that 7-Zip gives out; how much that was.
    template <class Visit> std::uint64_t extract(Visit&& visit) const { return extract(overlay, visit); }
    template <class Visit> std::uint64_t extract(const std::string& file, Visit&& visit) const {
        const std::string command = "7zz e -so -tVHDX '" + file + "' 2>'" + folder.file("7zz.log") + "'";
        FILE* const pipe = ::popen(command.c_str(), "r");
        REQUIRE(pipe != nullptr);
        ByteVector piece(std::size_t{1} << 20U);
        std::uint64_t offset = 0;
        for (std::size_t got = 0; (got = std::fread(piece.data(), 1, piece.size(), pipe)) > 0; offset += got) {
            visit(offset, Bytes(piece).first(got));
        }
        const int status = ::pclose(pipe);
        std::ifstream said(folder.file("7zz.log"));
        INFO(std::string(std::istreambuf_iterator<char>(said), {}));
        REQUIRE(status == 0);
        return offset;
    }
};

} // namespace

TEST_CASE("7-Zip reads an overlay of many states as we do", "[images][7zip]") {
    if (!have_seven_zip()) {
        return;
    }
    constexpr std::uint64_t size = std::uint64_t{32} << 20U;
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
        INFO("seed " << seed);
        const Chain chain;
        chain.make(size, {{0, size / model_sector}});
        DiskModel model(size / model_sector, parent_tag);
        {
            const auto disk = chain.open();
            for (const TraceStep& step : random_trace(seed, 150, size / model_sector)) {
                REQUIRE(perform(step, *disk, model));
            }
            REQUIRE(disk->close());
        }
        const VhdxInspector inspector(chain.overlay);
        REQUIRE(inspector.report().text() == "");
        REQUIRE_FALSE(inspector.report().dirty);
        ByteVector theirs(size);
        const std::uint64_t total = chain.extract([&](std::uint64_t offset, Bytes bytes) {
            std::copy(bytes.begin(), bytes.end(), theirs.begin() + static_cast<std::ptrdiff_t>(offset));
        });
        REQUIRE(total == size);
        ByteVector ours(size);
        const auto disk = chain.open();
        REQUIRE(disk->read(0, ours));
        REQUIRE((ours == theirs));
        REQUIRE(model.check_after_process_death(*disk).value_or("") == "");
    }
}

TEST_CASE("an exported pair is the machine's disk to 7-Zip, also when it was moved", "[images][7zip]") {
    if (!have_seven_zip()) {
        return;
    }
    constexpr std::uint64_t size = std::uint64_t{16} << 20U;
    constexpr std::uint64_t block = (std::uint64_t{2} << 20U) / model_sector;
    const bool portable = GENERATE(false, true);
    const Chain chain;
    chain.make(size, {{0, size / model_sector}});
    ByteVector expected(size);
    {
        const auto disk = chain.open();
        REQUIRE(disk->write(3 * model_sector, pattern(9, 3, 11), false));                           // a part of a block
        REQUIRE(disk->write(block * model_sector, pattern(9, block, block), false));                // a whole one
        REQUIRE(disk->discard(3 * block * model_sector, std::uint64_t{2} * block * model_sector));  // two of zeros
        REQUIRE(disk->discard((6 * block + 5) * model_sector, 9 * model_sector));                   // a hole in a part
        REQUIRE(disk->read(0, expected));
        REQUIRE(disk->close());
    }
    const std::string target = chain.folder.file("out.vhdx");
    REQUIRE(images::export_chain(*chain.files, {chain.overlay, target, false, portable}, {}));
    REQUIRE_FALSE(images::export_chain(*chain.files, {chain.overlay, target, false, portable}, {}));
    const std::string moved = chain.folder.file("elsewhere");
    std::filesystem::create_directory(moved);
    for (const char* name : {"out.vhdx", "out-parent.vhdx"}) {
        std::filesystem::rename(chain.folder.file(name), std::filesystem::path(moved) / name);
    }
    std::filesystem::create_symlink(moved + "/out-parent.vhdx", moved + "/.\\out-parent.vhdx"); // see make()
    ByteVector theirs(size);
    REQUIRE(chain.extract(moved + "/out.vhdx", [&](std::uint64_t offset, Bytes bytes) {
        std::copy(bytes.begin(), bytes.end(), theirs.begin() + static_cast<std::ptrdiff_t>(offset));
    }) == size);
    REQUIRE((theirs == expected));
    const VhdxInspector inspector(moved + "/out.vhdx");
    REQUIRE(inspector.report().text() == "");
    const auto reader = images::ImageReader::open(*chain.files, moved + "/out.vhdx");
    REQUIRE(reader);
    const auto zeros = reader->layers()[0]->locate(3 * block * model_sector, block * model_sector);
    REQUIRE(zeros->source == (portable ? images::PieceSource::own : images::PieceSource::zeros));
    const auto occupied = reader->layers()[0]->file().allocated_bytes();
    const auto length = reader->layers()[0]->file().size();
    REQUIRE((*occupied >= *length) == portable);
}

TEST_CASE("7-Zip reads an overlay beyond 4 GiB, where a second sector bitmap block begins", "[images][7zip]") {
    if (!have_seven_zip()) {
        return;
    }
    constexpr std::uint64_t size = (std::uint64_t{4} << 30U) + (std::uint64_t{8} << 20U);
    constexpr std::uint64_t border = (std::uint64_t{4} << 30U) / model_sector;
    const Chain chain;
    chain.make(size, {{0, 64}, {border - 64, 128}});
    std::map<std::uint64_t, ByteVector> expected{{0, pattern(parent_tag, 0, 64)}, {border - 64, pattern(parent_tag, border - 64, 128)}};
    {
        const auto disk = chain.open();
        for (const std::uint64_t first : {std::uint64_t{1000}, border - 4096 - 3, border + 8192}) {
            REQUIRE(disk->write(first * model_sector, pattern(9, first, 7), false));
            expected[first] = pattern(9, first, 7);
        }
        REQUIRE(disk->write((border - 3) * model_sector, pattern(10, border - 3, 6), false));
        std::copy_n(pattern(10, border - 3, 6).begin(), 6 * model_sector, expected[border - 64].begin() + 61 * model_sector);
        REQUIRE(disk->discard((border + 32) * model_sector, 8 * model_sector));
        std::fill_n(expected[border - 64].begin() + 96 * model_sector, 8 * model_sector, std::uint8_t{0});
        REQUIRE(disk->close());
    }
    std::uint64_t wrong = 0;
    ByteVector should;
    const std::uint64_t total = chain.extract([&](std::uint64_t offset, Bytes bytes) {
        should.assign(bytes.size(), 0);
        for (const auto& [first, contents] : expected) {
            const std::uint64_t start = std::max(offset, first * model_sector);
            const std::uint64_t end = std::min(offset + bytes.size(), first * model_sector + contents.size());
            if (start < end) {
                std::memcpy(should.data() + (start - offset), contents.data() + (start - first * model_sector), end - start);
            }
        }
        wrong += std::memcmp(should.data(), bytes.data(), bytes.size()) == 0 ? 0U : 1U;
    });
    REQUIRE(total == size);
    REQUIRE(wrong == 0);
}

TEST_CASE("7-Zip reads a store's chain of eight as we do: snapshots of snapshots, zeros over data, a publication", "[images][7zip]") {
    if (!have_seven_zip()) {
        return;
    }
    constexpr std::uint64_t size = std::uint64_t{16} << 20U;
    const Chain chain;
    {
        const auto file = chain.files->open(chain.raw, images::OpenMode::create_new);
        REQUIRE((*file)->write_at(0, pattern(parent_tag, 0, size / model_sector)));
    }
    MemoryCatalogue catalogue;
    NullLog log;
    const SystemClock clock;
    const std::string data = chain.folder.file("data");
    REQUIRE(chain.files->make_directories(data));
    auto store = images::open_store(*chain.files, data, catalogue, log, clock);
    REQUIRE(store);
    REQUIRE((*store)->import({chain.raw}, "win11", [](const images::ImportProgress&) { return true; }));
    const images::DiskName machine{images::DiskKind::machine, "lab1-07"};
    DiskModel model(size / model_sector, parent_tag);
    std::map<std::string, ByteVector> expected;
    for (std::uint64_t level = 1; level < 8; ++level) {
        const auto disk = (*store)->open_machine_disk(machine.name, "win11", images::OverlayKind::persistent);
        REQUIRE(disk);
        for (const TraceStep& step : random_trace(level, 40, size / model_sector)) {
            REQUIRE(perform(step, **disk, model));
        }
        ByteVector now(size);
        REQUIRE((*disk)->read(0, now));
        const auto taken = (*store)->create_snapshot(machine, "s" + std::to_string(level));
        INFO((taken ? "" : taken.error().what));
        REQUIRE(taken);
        expected[taken->layer] = std::move(now);
    }
    const auto version = (*store)->publish(machine.name, "win11", images::AfterPublish::overlay_goes);
    INFO((version ? "" : version.error().what));
    REQUIRE(version);
    expected[version->file] = expected.rbegin()->second;
    for (const images::LayerRow& layer : catalogue.rows().layers) {
        if (layer.parent.empty()) {
            continue;
        }
        const VhdxInspector inspector(data + "/" + layer.file);
        REQUIRE(inspector.report().text() == "");
        std::string name = inspector.report().parent_locator.at("relative_path");
        name.erase(0, name.starts_with(".\\") ? 2 : 0);
        for (const char* directory : {"/overlays/", "/images/win11/"}) { // it looks for all of a chain where its first file is
            if (const std::string link = data + directory + name; !std::filesystem::exists(link)) {
                std::filesystem::create_symlink(data + "/" + layer.parent, link);
            }
        }
    }
    for (const auto& [layer, bytes] : expected) {
        INFO(layer);
        std::uint64_t different = 0;
        const std::uint64_t total = chain.extract(data + "/" + layer, [&, &ours = bytes](std::uint64_t offset, Bytes theirs) {
            different += std::equal(theirs.begin(), theirs.end(), ours.begin() + static_cast<std::ptrdiff_t>(offset)) ? 0U : 1U;
        });
        REQUIRE(total == size);
        REQUIRE(different == 0);
    }
}
