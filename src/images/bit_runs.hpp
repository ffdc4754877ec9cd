// Runs of equal bits in a bitmap, 64 at a time: how sector bitmaps are read and counted. Bit 0 of word 0 comes first, as in a VHDX sector bitmap
// ([MS-VHDX] 2.4.2) read in words on a little-endian host. Pure.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace rootstock::images {

static_assert(std::endian::native == std::endian::little);

struct BitRun {
    bool set = false;
    std::uint64_t length = 0;
};

/// The run that starts at bit `first` and ends before `end`. `word(i)`: the i-th 64 bits.
template <class Word> [[nodiscard]] BitRun next_bit_run(Word&& word, std::uint64_t first, std::uint64_t end) {
    const bool set = (word(first / 64) >> (first % 64) & 1) != 0;
    std::uint64_t at = first;
    while (at < end) {
        const std::uint64_t bits = word(at / 64) >> (at % 64);
        const auto same = static_cast<std::uint64_t>(set ? std::countr_one(bits) : std::countr_zero(bits));
        const std::uint64_t left_in_word = 64 - at % 64;
        at += std::min(same, left_in_word);
        if (same < left_in_word) {
            break;
        }
    }
    return {set, std::min(at, end) - first};
}

/// The bits of [first, end) that lie in word `index`.
[[nodiscard]] constexpr std::uint64_t bit_mask(std::uint64_t index, std::uint64_t first, std::uint64_t end) {
    const std::uint64_t low = std::max(first, index * 64) - index * 64;
    const std::uint64_t high = std::min(end, index * 64 + 64) - index * 64;
    return (high == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << high) - 1) & ~((std::uint64_t{1} << low) - 1);
}

/// Calls visit(word index, mask) for every word that [first, end) touches.
template <class Visit> void for_each_bit_mask(std::uint64_t first, std::uint64_t end, Visit&& visit) {
    if (first >= end) {
        return;
    }
    for (std::uint64_t index = first / 64; index <= (end - 1) / 64; ++index) {
        visit(index, bit_mask(index, first, end));
    }
}

} // namespace rootstock::images
