#include "app/flattener.hpp"

namespace rootstock::app {

namespace {

constexpr std::chrono::minutes look_period{1};

/// All that is worth it now, one at a time.
void flatten(images::Store& store, Log& log, Background& background) {
    for (;;) {
        const auto done = store.flatten_due([&](const images::ImportProgress& progress) { return background.keep_pace(progress.stored_bytes); });
        if (!done) {
            log.warning("app.flatten.failed", {{"reason", done.error().what}});
        }
        if (!done || !*done) {
            return;
        }
    }
}

} // namespace

Flattener::Flattener(images::Store& store, Log& log, const Clock& clock)
    : background_(look_period, clock, [&store, &log](Background& background) { flatten(store, log, background); }) {}

} // namespace rootstock::app
