// Power cuts and process deaths at every change that a disk makes to its files: creation, opening, random traces, closing.
// ROOTSTOCK_SIM_SEED=n replays one trace.

#include "support/catch.hpp"
#include "support/disk_trace.hpp"
#include "support/sim_file.hpp"
#include "support/sim_numbers.hpp"
#include "support/vhdx_validator.hpp"

using namespace rootstock;
using namespace rootstock::test;

namespace {

constexpr std::uint64_t disk_bytes = std::uint64_t{6} << 20U; // three blocks
constexpr std::uint64_t sector_count = disk_bytes / model_sector;
const std::string disk_path = "/data/overlays/lab1-07.vhdx";

enum class Kind { overlay, volume };

Result<std::shared_ptr<images::Overlay>> open(images::FileSystem& files, Kind kind) {
    return kind == Kind::overlay ? images::open_persistent_overlay(files, disk_path, std::make_shared<PatternMaster>(disk_bytes))
                                 : images::open_volume(files, disk_path);
}

Result<void> create(images::FileSystem& files, Kind kind) {
    return kind == Kind::overlay ? images::create_persistent_overlay(files, disk_path, PatternMaster(disk_bytes))
                                 : images::create_volume(files, disk_path, disk_bytes);
}

DiskModel new_model(Kind kind) { return DiskModel(sector_count, kind == Kind::overlay ? parent_tag : zeros_tag); }

/// Our files as an independent reader of [MS-VHDX] sees them.
std::string structural_problems(SimFileSystem& files) {
    const auto file = files.open(disk_path, images::OpenMode::read_only);
    REQUIRE(file);
    const auto read = [&](std::uint64_t offset, std::span<std::uint8_t> out) { REQUIRE((*file)->read_at(offset, out)); };
    return VhdxInspector(read, *(*file)->size()).report().text();
}

/// Everything a restarted program must find; then the disk must go on working.
void check_process_death(const SimFileSystem& dead, Kind kind, const DiskModel& model) {
    const auto files = dead.after_process_death();
    const auto disk = open(*files, kind);
    REQUIRE(disk);
    const auto wrong = model.check_after_process_death(**disk);
    REQUIRE(wrong.value_or("") == "");
}

void check_power_loss(const SimFileSystem& dead, Kind kind, const DiskModel& model, const PowerCut& cut) {
    const auto files = dead.after_power_loss(cut);
    REQUIRE(structural_problems(*files) == "");
    const auto disk = open(*files, kind);
    REQUIRE(disk);
    REQUIRE(model.check_after_power_loss(**disk).value_or("") == "");
}

std::vector<std::uint64_t> seeds(std::uint64_t count) {
#ifdef ROOTSTOCK_SANITIZED
    count = (count + 2) / 3;
#endif
    return sim_seeds(count);
}

/// Runs the trace; before every change of a file, the process dies and the power fails in several ways.
void die_everywhere(Kind kind, std::uint64_t seed, std::size_t steps) {
    SimFileSystem files;
    REQUIRE(files.make_directories("/data/overlays"));
    REQUIRE(create(files, kind));
    DiskModel model = new_model(kind);
    std::uint64_t change = 0;
    files.before_change([&](const SimOperation&) {
        ++change;
        INFO("seed " << seed << ", change " << change);
        check_process_death(files, kind, model);
        const std::uint64_t cut_seed = seed * 1000 + change;
        check_power_loss(files, kind, model, {cut_seed, static_cast<unsigned>(change % 3) * 50, 512});
        check_power_loss(files, kind, model, {cut_seed, 50, change % 2 == 0 ? 512U : 4096U});
    });
    auto disk = open(files, kind);
    REQUIRE(disk);
    for (const TraceStep& step : random_trace(seed, steps, sector_count)) {
        REQUIRE(perform(step, **disk, model));
    }
    REQUIRE((*disk)->close());
    files.before_change({});
    model.flushed();
    REQUIRE(structural_problems(files) == "");
    REQUIRE_FALSE(files.exists(disk_path + ".live"));
    check_power_loss(files, kind, model, {seed, 0, 512});
}

} // namespace

TEST_CASE("an overlay keeps both promises wherever it is cut off", "[images][sim]") {
    for (const std::uint64_t seed : seeds(6)) {
        die_everywhere(Kind::overlay, seed, 25);
    }
}

TEST_CASE("a volume keeps both promises wherever it is cut off", "[images][sim]") {
    for (const std::uint64_t seed : seeds(3)) {
        die_everywhere(Kind::volume, seed, 25);
    }
}

TEST_CASE("a disk that is opened again and again after deaths of both kinds stays right", "[images][sim]") {
    for (const std::uint64_t seed : seeds(12)) {
        INFO("seed " << seed);
        SeededRandom random(seed);
        const Kind kind = seed % 3 == 0 ? Kind::volume : Kind::overlay;
        auto files = std::make_unique<SimFileSystem>();
        REQUIRE(files->make_directories("/data/overlays"));
        REQUIRE(create(*files, kind));
        DiskModel model = new_model(kind);
        for (std::uint64_t life = 0; life < 6; ++life) {
            INFO("life " << life);
            auto disk = open(*files, kind);
            REQUIRE(disk);
            REQUIRE(model.check_after_process_death(**disk).value_or("") == "");
            for (const TraceStep& step : random_trace(seed * 100 + life, 40, sector_count)) {
                REQUIRE(perform(step, **disk, model));
            }
            REQUIRE(model.check_after_process_death(**disk).value_or("") == "");
            switch (random.u32() % 3) {
            case 0:
                REQUIRE((*disk)->close());
                model.flushed();
                break;
            case 1: {
                auto next = files->after_process_death();
                disk->reset();
                files = std::move(next);
                break;
            }
            default: {
                auto next = files->after_power_loss({seed * 7 + life, random.u32() % 101, 512});
                disk->reset();
                files = std::move(next);
                auto reopened = open(*files, kind);
                REQUIRE(reopened);
                REQUIRE(model.check_after_power_loss(**reopened).value_or("") == "");
                model.settle(**reopened);
                REQUIRE((*reopened)->close());
                break;
            }
            }
        }
    }
}

TEST_CASE("opening a disk after a process death is cut off as well", "[images][sim]") {
    for (const std::uint64_t seed : seeds(8)) {
        SimFileSystem files;
        REQUIRE(files.make_directories("/data/overlays"));
        REQUIRE(create(files, Kind::overlay));
        DiskModel model = new_model(Kind::overlay);
        auto disk = open(files, Kind::overlay);
        REQUIRE(disk);
        for (const TraceStep& step : random_trace(seed, 30, sector_count)) {
            REQUIRE(perform(step, **disk, model));
        }
        const auto dead = files.after_process_death();
        std::uint64_t change = 0;
        dead->before_change([&](const SimOperation&) {
            ++change;
            INFO("seed " << seed << ", change " << change << " of the opening");
            check_process_death(*dead, Kind::overlay, model);
            for (const unsigned kept : {0U, 50U, 100U}) {
                check_power_loss(*dead, Kind::overlay, model, {seed * 1000 + change, kept, 512});
            }
        });
        REQUIRE(open(*dead, Kind::overlay));
        REQUIRE(change > 5);
        dead->before_change({});
        // What was taken over is durable once the disk is open again.
        model.flushed();
        check_power_loss(*dead, Kind::overlay, model, {seed, 0, 512});
    }
}

TEST_CASE("power that fails after the process died twice, the second time in the opening, costs nothing that was flushed", "[images][sim]") {
    for (const std::uint64_t seed : seeds(3)) {
        SimFileSystem files;
        REQUIRE(files.make_directories("/data/overlays"));
        REQUIRE(create(files, Kind::overlay));
        DiskModel model = new_model(Kind::overlay);
        auto disk = open(files, Kind::overlay);
        REQUIRE(disk);
        for (const TraceStep& step : random_trace(seed, 12, sector_count)) {
            REQUIRE(perform(step, **disk, model));
        }
        const auto first = files.after_process_death();
        std::uint64_t change = 0;
        first->before_change([&](const SimOperation&) {
            ++change;
            const auto second = first->after_process_death();
            std::uint64_t later = 0;
            second->before_change([&](const SimOperation&) {
                if (++later <= 3) { // what the first opening left unsynced is synced by then
                    INFO("seed " << seed << ", change " << change << " of the first opening, " << later << " of the second");
                    check_power_loss(*second, Kind::overlay, model, {seed * 1000 + change * 10 + later, 50, 512});
                }
            });
            REQUIRE(open(*second, Kind::overlay));
        });
        REQUIRE(open(*first, Kind::overlay));
        REQUIRE(change > 5);
    }
}

TEST_CASE("a reset overlay keeps every acknowledged write when the process dies anywhere, and never syncs", "[images][sim]") {
    const std::string path = "/data/overlays/lab1-07.reset";
    const auto master = std::make_shared<PatternMaster>(disk_bytes);
    for (const std::uint64_t seed : seeds(6)) {
        SimFileSystem files;
        REQUIRE(files.make_directories("/data/overlays"));
        REQUIRE(images::create_reset_overlay(files, path, *master));
        DiskModel model = new_model(Kind::overlay);
        const auto disk = images::open_reset_overlay(files, path, master);
        REQUIRE(disk);
        files.before_change([&](const SimOperation& operation) {
            REQUIRE(operation.action != SimAction::sync);
            const auto dead = files.after_process_death();
            const auto reopened = images::open_reset_overlay(*dead, path, master);
            REQUIRE(reopened);
            REQUIRE(model.check_after_process_death(**reopened).value_or("") == "");
        });
        for (const TraceStep& step : random_trace(seed, 40, sector_count)) {
            REQUIRE(perform(step, **disk, model));
        }
        REQUIRE(model.check_after_process_death(**disk).value_or("") == "");
        const auto other_boot = files.after_power_loss({seed, 100, 512});
        const auto lost = images::open_reset_overlay(*other_boot, path, master);
        REQUIRE_FALSE(lost);
        REQUIRE(lost.error().code == std::errc::state_not_recoverable);
    }
}

TEST_CASE("a creation that is cut off leaves nothing or a whole disk", "[images][sim]") {
    for (const Kind kind : {Kind::overlay, Kind::volume}) {
        SimFileSystem files;
        REQUIRE(files.make_directories("/data/overlays"));
        std::uint64_t change = 0;
        files.before_change([&](const SimOperation&) {
            ++change;
            for (const unsigned kept : {0U, 50U, 100U}) {
                const auto after = files.after_power_loss({change, kept, 512});
                if (after->exists(disk_path)) {
                    const auto disk = open(*after, kind);
                    REQUIRE(disk);
                    REQUIRE(new_model(kind).check_after_power_loss(**disk).value_or("") == "");
                }
            }
        });
        REQUIRE(create(files, kind));
        REQUIRE(change > 3);
        files.before_change({});
        REQUIRE(files.after_power_loss({1, 0, 512})->exists(disk_path));
    }
}
