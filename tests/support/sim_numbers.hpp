// How much a simulation does: from the environment, for somebody who looks for more than every change can wait for.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <vector>

namespace rootstock::test {

inline std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* text = std::getenv(variable);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// Many numbers in no time (splitmix64); SeededRandom makes each byte of a Mersenne twister of its own.
class SimRandom {
  public:
    explicit SimRandom(std::uint64_t seed) : state_(seed * 0x2545f4914f6cdd1dU) {}
    std::uint64_t u64() {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;
        z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31U);
    }
    std::uint64_t below(std::uint64_t end) { return u64() % end; }

  private:
    std::uint64_t state_;
};

/// 1 to `count`; ROOTSTOCK_SIM_SEED alone when it is set.
inline std::vector<std::uint64_t> sim_seeds(std::uint64_t count) {
    if (const std::uint64_t only = number_from("ROOTSTOCK_SIM_SEED", 0)) {
        return {only};
    }
    std::vector<std::uint64_t> all;
    for (std::uint64_t seed = 1; seed <= count; ++seed) {
        all.push_back(seed);
    }
    return all;
}

} // namespace rootstock::test
