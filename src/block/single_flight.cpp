#include "block/single_flight.hpp"

#include "core/assert.hpp"

namespace rootstock::block {

std::size_t SingleFlight::KeyHash::operator()(const Key& key) const noexcept {
    // Fibonacci hashing: neighbouring chunks go to different stripes, and so do the same chunks of neighbouring loaders.
    const std::uint64_t mixed = (key.chunk + (reinterpret_cast<std::uintptr_t>(key.loader) >> 4U)) * 0x9e3779b97f4a7c15U;
    return static_cast<std::size_t>(mixed >> 32U);
}

void SingleFlight::join(const Miss& miss, Completion completion, const Start& start) {
    RS_ASSERT(miss.loader);
    const Key key{miss.loader.get(), miss.chunk};
    Stripe& stripe = stripe_of(key);
    {
        const std::lock_guard lock(stripe.mutex);
        const auto [entry, first] = stripe.waiting.try_emplace(key);
        entry->second.push_back(std::move(completion));
        if (!first) {
            return;
        }
    }
    start([this, loader = miss.loader, key] { run(loader, key); });
}

void SingleFlight::run(const std::shared_ptr<Loader>& loader, Key key) {
    const Result<void, IoError> result = loader->load(key.chunk);
    std::vector<Completion> completions;
    {
        Stripe& stripe = stripe_of(key);
        const std::lock_guard lock(stripe.mutex);
        auto entry = stripe.waiting.extract(key);
        RS_ASSERT(!entry.empty());
        completions = std::move(entry.mapped());
    }
    for (const Completion& completion : completions) {
        completion(result);
    }
}

std::size_t SingleFlight::in_flight() const {
    std::size_t count = 0;
    for (const Stripe& stripe : stripes_) {
        const std::lock_guard lock(stripe.mutex);
        count += stripe.waiting.size();
    }
    return count;
}

} // namespace rootstock::block
