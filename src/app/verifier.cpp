#include "app/verifier.hpp"

namespace rootstock::app {

namespace {

constexpr std::chrono::seconds look_period{10};

} // namespace

Verifier::Verifier(images::Store& store, std::chrono::seconds period, Log& log, const Clock& clock)
    : background_(look_period, clock, [&store, period, &log](Background& background) {
          if (const auto done = store.verify_due(period, [&](std::uint64_t bytes, std::uint64_t) { return background.keep_pace(bytes); }); !done) {
              log.warning("app.verify.failed", {{"reason", done.error().what}});
          }
      }) {}

} // namespace rootstock::app
