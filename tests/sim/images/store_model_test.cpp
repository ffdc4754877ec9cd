// A store with everything that can be done to it, at random, against models of what each disk, snapshot and version holds (support/store_history.hpp).
// ROOTSTOCK_SIM_SEED=n replays one history, ROOTSTOCK_SIM_STEPS=n makes each that long; docs/testing.md.

#include "support/store_history.hpp"

#include <iostream>

using namespace rootstock::test;

TEST_CASE("whatever is done to disks, snapshots and versions, each holds what its model holds", "[images][sim][snapshot]") {
    constexpr std::uint64_t all_disks = 5000; // steps between two looks at all of them
    constexpr std::uint64_t all_files = 40000;
    const std::uint64_t wanted = number_from("ROOTSTOCK_SIM_STEPS", 0);
#ifdef ROOTSTOCK_SANITIZED
    const std::uint64_t by_default = 4000;
#else
    const std::uint64_t by_default = 15000;
#endif
    for (const std::uint64_t seed : sim_seeds(3)) {
        StoreHistory history(seed);
        std::uint64_t step = 0;
        for (const std::uint64_t end = wanted == 0 ? by_default : wanted; step < end;) {
            INFO("ROOTSTOCK_SIM_SEED=" << seed << ", step " << step);
            const std::uint64_t before = step;
            step += history.go_on();
            if (before / all_disks != step / all_disks) {
                history.check();
            }
            if (before / all_files != step / all_files) {
                history.check_store();
            }
        }
        INFO("ROOTSTOCK_SIM_SEED=" << seed << ", at the end");
        history.check();
        history.check_store();
        if (wanted != 0) {
            std::cout << "ROOTSTOCK_SIM_SEED=" << seed << ": " << step << " steps: " << history.summary() << std::endl;
        }
    }
}
