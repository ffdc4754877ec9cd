// Randomness, injected: the system's for secrets and ids, a seeded one for tests and simulations.
#pragma once

#include "core/bytes.hpp"

#include <random>

namespace rootstock {

class Random {
  public:
    virtual ~Random() = default;
    virtual void fill(MutableBytes out) = 0;
    std::uint32_t u32();
    std::uint64_t u64();
};

/// getrandom(2). Thread-safe; fit for secrets.
class SystemRandom final : public Random {
  public:
    void fill(MutableBytes out) override;
};

/// Repeatable; not for secrets; not thread-safe.
class SeededRandom final : public Random {
  public:
    explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
    void fill(MutableBytes out) override;

  private:
    std::mt19937_64 engine_;
};

} // namespace rootstock
