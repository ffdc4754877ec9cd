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
