#include "core/random.hpp"

#include <sys/random.h>

namespace rootstock {

std::uint32_t Random::u32() {
    std::uint32_t value = 0;
    fill(object_bytes(value));
    return value;
}

std::uint64_t Random::u64() {
    std::uint64_t value = 0;
    fill(object_bytes(value));
    return value;
}

void SystemRandom::fill(MutableBytes out) {
    while (!out.empty()) {
        ssize_t got = ::getrandom(out.data(), out.size(), 0);
        RS_ASSERT(got > 0 || errno == EINTR);
        if (got > 0) {
            out = out.subspan(static_cast<std::size_t>(got));
        }
    }
}

void SeededRandom::fill(MutableBytes out) {
    for (std::uint8_t& byte : out) {
        byte = static_cast<std::uint8_t>(engine_());
    }
}

} // namespace rootstock
