// Deterministic quick fuzzing for plain CTest: seeded mutations of a corpus. A failure prints the seed and the input that broke it:
//
//     fuzz(corpus, 100'000, [](Bytes input) { decode(input); });
//
// ROOTSTOCK_FUZZ_SEED=n starts from another seed, ROOTSTOCK_FUZZ_ROUNDS=n runs longer (nightly), ROOTSTOCK_FUZZ_ONLY=k runs round k alone.
#pragma once

#include "core/bytes.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace rootstock::test {

using Corpus = std::vector<ByteVector>;

/// One input: an entry of the corpus with some of these done to it: bits and bytes changed, boundary values written as 8/16/32-bit
/// numbers, parts cut, repeated, removed, or spliced with another entry. Depends on (seed, corpus) only.
[[nodiscard]] ByteVector mutate(std::uint64_t seed, const Corpus& corpus);

/// Feeds `rounds` mutated inputs (and first every corpus entry and all of its truncations) to `target`.
/// The input lies at the end of an allocation of its own, so that a sanitizer sees any read past its end.
void fuzz(const Corpus& corpus, std::uint64_t rounds, const std::function<void(Bytes)>& target);

} // namespace rootstock::test
