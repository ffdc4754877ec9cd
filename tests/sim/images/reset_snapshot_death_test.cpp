// Snapshots of a disk that forgets, cut off at every change of files and catalogue: the disk outlives the process and not the host, its snapshots outlive both,
// and what begins with a snapshot is all of it or nothing. ROOTSTOCK_SIM_SEED=n replays one history.

#include "support/disk_trace.hpp"
#include "support/sim_numbers.hpp"
#include "support/store_host.hpp"

using namespace rootstock;
using namespace rootstock::test;
using images::OverlayKind;

namespace {

const images::DiskName machine{images::DiskKind::machine, "lab1-07"};
const std::string monday = "monday";

std::shared_ptr<images::Overlay> open_disk(images::Store& store) {
    auto disk = store.open_machine_disk(machine.name, "win11", OverlayKind::reset);
    INFO(error_of(disk));
    REQUIRE(disk);
    return *disk;
}

void require_holds(images::Store& store, const DiskModel& model) { REQUIRE(model.check_after_process_death(*open_disk(store)).value_or("") == ""); }

/// The one snapshot, if it is there.
void require_snapshot_holds(images::Store& store, const DiskModel& model) {
    if (store.snapshots()->empty()) {
        return;
    }
    const auto cloned = store.clone_to_volume(machine, monday, "copy", {});
    INFO(error_of(cloned));
    REQUIRE(cloned);
    REQUIRE(model.check_after_process_death(**store.open_volume_disk("copy")).value_or("") == "");
    REQUIRE(store.remove_volume("copy"));
}

struct Scene {
    explicit Scene(std::uint64_t number) : seed(number), store(host.open()) {
        host.write_raw("/srv/base.raw", parent_tag);
        REQUIRE(store->import({"/srv/base.raw"}, "win11", no_progress));
        use();
    }
    void use() {
        const auto disk = open_disk(*store);
        for (const TraceStep& step : random_trace(seed + uses++, 30, model.sector_count())) {
            REQUIRE(perform(step, *disk, model));
        }
    }
    /// At each change from now on, both deaths: what they find of the disk and its snapshot.
    template <class Look> void look_with(const Look& look) {
        const auto both = [this, look] {
#ifdef ROOTSTOCK_SANITIZED
            if (++changes % 7 != 0) {
                return;
            }
#else
            ++changes;
#endif
            INFO("seed " << seed << ", change " << changes);
            Host died(host.files->after_process_death(), host.catalogue.rows());
            look(*died.open(), host.catalogue.rows(), false);
            Host lost(host.files->after_power_loss({seed * 1000 + changes, static_cast<unsigned>(changes % 3) * 50, 512}), host.catalogue.rows());
            look(*lost.open(), host.catalogue.rows(), true);
        };
        host.files->before_change([both](const SimOperation&) { both(); });
        host.catalogue.before_change(both);
    }
    void look_no_more() {
        host.files->before_change(nullptr);
        host.catalogue.before_change(nullptr);
    }

    std::uint64_t seed;
    Host host;
    std::unique_ptr<images::Store> store;
    const DiskModel empty{image_bytes / model_sector, parent_tag};
    DiskModel model = empty;
    std::uint64_t uses = 0;
    std::uint64_t changes = 0;
};

} // namespace

TEST_CASE("a snapshot of a disk that forgets is there with all of it, or not at all", "[images][sim][snapshot][reset]") {
    for (const std::uint64_t seed : sim_seeds(2)) {
        Scene scene(seed);
        const DiskModel kept = scene.model;
        scene.look_with([&](images::Store& store, const MemoryCatalogue::Rows&, bool power_lost) {
            require_snapshot_holds(store, kept);
            require_holds(store, power_lost ? scene.empty : scene.model);
        });
        REQUIRE(error_of(scene.store->create_snapshot(machine, monday)).empty());
        REQUIRE(scene.changes > 10);
        scene.look_no_more();
        REQUIRE(scene.store->snapshots()->size() == 1);
        require_snapshot_holds(*scene.store, kept);
    }
}

TEST_CASE("a boot that begins with a snapshot begins with all of it, wherever it is cut off", "[images][sim][snapshot][reset]") {
    for (const std::uint64_t seed : sim_seeds(2)) {
        Scene scene(seed);
        const DiskModel kept = scene.model;
        REQUIRE(error_of(scene.store->create_snapshot(machine, monday)).empty());
        scene.use();
        REQUIRE(scene.store->restore_snapshot(machine, monday, OverlayKind::reset));
        scene.look_with([&](images::Store& store, const MemoryCatalogue::Rows& rows, bool) {
            const bool begun = rows.overlays.front().restore.empty();
            require_snapshot_holds(store, kept);
            if (!begun) { // the boot is tried again, whatever is left of the disk
                REQUIRE(error_of(store.begin_boot(machine.name, OverlayKind::reset)).empty());
            }
            require_holds(store, kept);
        });
        REQUIRE(error_of(scene.store->begin_boot(machine.name, OverlayKind::reset)).empty());
        REQUIRE(scene.changes > 2);
        scene.look_no_more();
        scene.model = kept;
        scene.use();
        require_holds(*scene.store, scene.model);
        require_snapshot_holds(*scene.store, kept);
        REQUIRE(error_of(scene.store->begin_boot(machine.name, OverlayKind::reset)).empty());
        require_holds(*scene.store, scene.empty);
    }
}
