#include "app/warmer.hpp"

namespace rootstock::app {

namespace {

constexpr std::chrono::seconds look_period{2};

} // namespace

Warmer::Warmer(images::Store& store, Log& log) {
    housekeeper_ = std::make_unique<Housekeeper>(look_period, [this, &store, &log] {
        if (const auto done = store.warm_due([this](std::uint64_t, std::uint64_t) { return !stopping_; }); !done) {
            log.warning("app.warm.failed", {{"reason", done.error().what}});
        }
    });
}

Warmer::~Warmer() {
    stopping_ = true;
    housekeeper_.reset();
}

} // namespace rootstock::app
