#include "support/fuzz.hpp"

#include "core/text.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>

#include <signal.h>
#include <unistd.h>

/// Of the sanitizers' run-time; not there in a plain build.
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace rootstock::test {

namespace {

using Engine = std::mt19937_64;
constexpr std::size_t longest_input = 70'000;

std::size_t below(Engine& engine, std::size_t bound) { return bound == 0 ? 0 : static_cast<std::size_t>(engine() % bound); }

void flip_bit(Engine& engine, ByteVector& input) {
    input[below(engine, input.size())] ^= static_cast<std::uint8_t>(1U << below(engine, 8));
}

void change_byte(Engine& engine, ByteVector& input) {
    input[below(engine, input.size())] = static_cast<std::uint8_t>(engine());
}

/// Lengths, counts and offsets break at these values.
void write_boundary(Engine& engine, ByteVector& input) {
    static constexpr std::array<std::uint32_t, 14> values{
        0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff};
    const auto value = values[below(engine, values.size())];
    const std::size_t width = std::size_t{1} << below(engine, 3);
    const bool big_endian = (engine() & 1U) != 0;
    const auto at = below(engine, input.size());
    for (std::size_t i = 0; i < width && at + i < input.size(); ++i) {
        const auto shift = 8 * (big_endian ? width - 1 - i : i);
        input[at + i] = static_cast<std::uint8_t>(value >> shift);
    }
}

void cut(Engine& engine, ByteVector& input) { input.resize(below(engine, input.size() + 1)); }

void remove_part(Engine& engine, ByteVector& input) {
    const auto at = below(engine, input.size());
    const auto count = below(engine, std::min<std::size_t>(input.size() - at, 64) + 1);
    const auto begin = input.begin() + static_cast<std::ptrdiff_t>(at);
    input.erase(begin, begin + static_cast<std::ptrdiff_t>(count));
}

void insert_part_of(Engine& engine, ByteVector& input, const ByteVector& other) {
    const auto from = below(engine, other.size());
    const auto count = below(engine, std::min<std::size_t>(other.size() - from, 256) + 1);
    const ByteVector part(other.begin() + static_cast<std::ptrdiff_t>(from),
                          other.begin() + static_cast<std::ptrdiff_t>(from + count));
    const auto at = input.begin() + static_cast<std::ptrdiff_t>(below(engine, input.size() + 1));
    input.insert(at, part.begin(), part.end());
}

void mutate_once(Engine& engine, ByteVector& input, const Corpus& corpus) {
    if (input.empty()) {
        input.push_back(static_cast<std::uint8_t>(engine()));
        return;
    }
    switch (below(engine, 8)) {
    case 0:
        return flip_bit(engine, input);
    case 1:
    case 2:
        return change_byte(engine, input);
    case 3:
    case 4:
        return write_boundary(engine, input);
    case 5:
        return below(engine, 4) == 0 ? cut(engine, input) : remove_part(engine, input);
    case 6:
        return insert_part_of(engine, input, ByteVector(input));
    default:
        return insert_part_of(engine, input, corpus[below(engine, corpus.size())]);
    }
}

std::uint64_t environment_number(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr ? otherwise : parse_number<std::uint64_t>(text).value_or(otherwise);
}

/// What runs now, for the last words of a program that a sanitizer or an assertion ends.
struct Running {
    const char* kind;
    std::uint64_t number;
    const ByteVector* input;
};
Running running{};

void tell_running() {
    std::fprintf(stderr, "fuzz: %s %llu broke on input %s\n", running.kind, static_cast<unsigned long long>(running.number),
                 hex(*running.input).c_str());
}

void watch_for_death() {
    if (__sanitizer_set_death_callback != nullptr) {
        __sanitizer_set_death_callback(tell_running);
    }
    ::signal(SIGABRT, [](int number) {
        tell_running();
        ::signal(number, SIG_DFL);
        ::raise(number);
    });
}

/// Runs the target on a copy that ends where its allocation ends.
void run_one(const char* kind, std::uint64_t number, const ByteVector& input, const std::function<void(Bytes)>& target) {
    const auto copy = std::make_unique<std::uint8_t[]>(input.size());
    std::copy(input.begin(), input.end(), copy.get());
    running = {kind, number, &input};
    try {
        target({copy.get(), input.size()});
    } catch (...) {
        tell_running();
        throw;
    }
}

} // namespace

ByteVector mutate(std::uint64_t seed, const Corpus& corpus) {
    Engine engine(seed);
    ByteVector input = corpus.empty() ? ByteVector{} : corpus[below(engine, corpus.size())];
    for (auto count = 1 + below(engine, 8); count > 0; --count) {
        mutate_once(engine, input, corpus);
    }
    if (input.size() > longest_input) {
        input.resize(longest_input);
    }
    return input;
}

void fuzz(const Corpus& corpus, std::uint64_t rounds, const std::function<void(Bytes)>& target) {
    watch_for_death();
    for (std::size_t i = 0; i < corpus.size(); ++i) {
        for (std::size_t size = 0; size <= corpus[i].size(); ++size) {
            const ByteVector front(corpus[i].begin(), corpus[i].begin() + static_cast<std::ptrdiff_t>(size));
            run_one("truncation of corpus entry", i, front, target);
        }
    }
    const auto seed = environment_number("ROOTSTOCK_FUZZ_SEED", 1);
    const auto only = environment_number("ROOTSTOCK_FUZZ_ONLY", 0);
    rounds = environment_number("ROOTSTOCK_FUZZ_ROUNDS", rounds);
    for (std::uint64_t round = 1; round <= rounds; ++round) {
        if (only == 0 || only == round) {
            run_one("round", round, mutate(seed * 0x9e3779b97f4a7c15U + round, corpus), target);
        }
    }
}

} // namespace rootstock::test
