// The store's own operations, cut off at their changes of files and catalogue, while the disks are written to: snapshots taken, gone back to, cloned,
// removed and merged away. And with one of those changes failing. ROOTSTOCK_SIM_SEED=n replays one history; ROOTSTOCK_SIM_STEPS=n runs so many of them, and
// looks at every change.

#include "support/sim_numbers.hpp"
#include "support/store_scene.hpp"

using namespace rootstock;
using namespace rootstock::test;

namespace {

using Disk = StoreScene::Disk;

const Disk clone_machine{images::DiskKind::machine, "lab1-08"};
const Disk clone_volume{images::DiskKind::volume, "copy"};

/// Everything that a chain of snapshots goes through. `disk` is in use where the store allows it.
void live(StoreScene& scene, const Disk& disk, const Disk& clone) {
    scene.use(disk, 12);
    REQUIRE(scene.snapshot(disk, "closed"));
    scene.hold(disk);
    scene.use(disk, 12);
    REQUIRE(scene.snapshot(disk, "open"));
    scene.use(disk, 12);
    REQUIRE(scene.snapshot(disk, "again"));
    scene.use(disk, 8);
    REQUIRE(scene.clone({disk, "open"}, clone));
    scene.use(clone, 6);
    REQUIRE(scene.remove_snapshot(disk, "closed"));
    REQUIRE(scene.flatten(images::limits::chain_depth)); // merges what nobody names
    scene.let_go(disk);
    scene.use(disk, 8);
    REQUIRE(scene.restore(disk, "open"));
    scene.use(disk, 8);
    REQUIRE(scene.remove_snapshot(disk, "again")); // nothing stands on it
    scene.hold(disk);
    REQUIRE(scene.flatten(1)); // every layer stands alone
    scene.let_go(disk);
}

} // namespace

TEST_CASE("operations of the store that are cut off anywhere keep every disk and every snapshot", "[images][sim][snapshot]") {
    const std::uint64_t histories = number_from("ROOTSTOCK_SIM_STEPS", 0);
#ifdef ROOTSTOCK_SANITIZED
    const std::uint64_t fewer = 41;
#else
    const std::uint64_t fewer = 4;
#endif
    for (const std::uint64_t seed : sim_seeds(histories == 0 ? 2 : histories)) {
        INFO("seed " << seed);
        StoreScene scene(seed);
        scene.cut_off_every(histories == 0 ? fewer : 1);
        if (seed % 2 == 0) {
            live(scene, StoreScene::volume, clone_volume);
            continue;
        }
        live(scene, StoreScene::machine, clone_machine);
        scene.use(StoreScene::machine, 8);
        REQUIRE(scene.restore_at_boot("open"));
    }
}

TEST_CASE("operations of the store of which a part fails keep every disk and every snapshot", "[images][sim][snapshot]") {
    struct Operation {
        const char* name;
        std::function<bool(StoreScene&)> run;
    };
    const Disk disk = StoreScene::volume;
    const std::vector<Operation> operations{
        {"snapshot of a disk in use", [&](StoreScene& scene) { return scene.hold(disk), scene.snapshot(disk, "new"); }},
        {"snapshot", [&](StoreScene& scene) { return scene.snapshot(disk, "new"); }},
        {"restore", [&](StoreScene& scene) { return scene.restore(disk, "first"); }},
        {"clone", [&](StoreScene& scene) { return scene.clone({disk, "first"}, clone_volume); }},
        {"removal", [&](StoreScene& scene) { return scene.remove_snapshot(disk, "first"); }},
        {"flatten", [&](StoreScene& scene) { return scene.hold(disk), scene.flatten(1); }},
    };
#ifdef ROOTSTOCK_SANITIZED
    const std::uint64_t fewer = 31;
#else
    const std::uint64_t fewer = 4;
#endif
    const std::uint64_t stride = number_from("ROOTSTOCK_SIM_STEPS", 0) == 0 ? fewer : 1;
    for (const Operation& operation : operations) {
        for (std::uint64_t number = 1, failed = 1; failed != 0; number += stride) {
            INFO(operation.name << ", change " << number << " fails");
            StoreScene scene(number);
            scene.use(disk, 6);
            REQUIRE(scene.snapshot(disk, "first"));
            scene.use(disk, 6);
            REQUIRE(scene.snapshot(disk, "second"));
            scene.use(disk, 6);
            scene.fail_at(number);
            operation.run(scene);
            failed = scene.take_failure() ? 1 : 0;
            scene.check();
            scene.restart();
            scene.check();
        }
    }
}

TEST_CASE("a disk that forgets, and is thrown away for a new one, is never another machine's or half of each", "[images][sim]") {
    const Disk& name = StoreScene::machine;
    for (const std::uint64_t seed : sim_seeds(2)) {
        INFO("seed " << seed);
        Host host;
        auto store = host.open();
        host.write_raw("/srv/base.raw", parent_tag);
        REQUIRE(store->import({"/srv/base.raw"}, "win11", no_progress));
        const auto open = [&](images::Store& from) {
            auto disk = from.open_machine_disk(name.name, "win11", images::OverlayKind::reset);
            INFO(error_of(disk));
            REQUIRE(disk);
            return *disk;
        };
        const DiskModel empty(image_bytes / model_sector, parent_tag);
        DiskModel model = empty;
        for (const TraceStep& step : random_trace(seed, 30, model.sector_count())) {
            REQUIRE(perform(step, *open(*store), model));
        }
        std::uint64_t change = 0;
        bool removed = false;
        const auto look = [&] {
            ++change;
            INFO("change " << change);
            Host died(host.files->after_process_death(), host.catalogue.rows());
            removed = removed || host.catalogue.rows().overlays.empty();
            const auto restarted = died.open();
            REQUIRE((removed ? empty : model).check_after_process_death(*open(*restarted)).value_or("") == "");
            Host lost(host.files->after_power_loss({seed * 1000 + change, static_cast<unsigned>(change % 3) * 50, 512}), host.catalogue.rows());
            const auto rebooted = lost.open();
            REQUIRE(empty.check_after_process_death(*open(*rebooted)).value_or("") == "");
        };
        host.files->before_change([&](const SimOperation&) { look(); });
        host.catalogue.before_change(look);
        REQUIRE(store->remove_machine_disk(name.name));
        REQUIRE(open(*store));
        REQUIRE(change > 8);
        REQUIRE(removed);
    }
}
