// Counts what a test program allocates, so that a test can say "nothing", or how much is held. Replaces operator new: include it in exactly one file of a program.
// Nothing here may be inlined: GCC would then see new paired with free, and warn.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

#include <malloc.h>

namespace rootstock::test {
inline std::atomic<std::uint64_t> allocations{0};
inline std::atomic<std::uint64_t> live_bytes{0};

inline void free_counted(void* memory) noexcept {
    live_bytes.fetch_sub(malloc_usable_size(memory), std::memory_order_relaxed);
    std::free(memory);
}
} // namespace rootstock::test

[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    rootstock::test::allocations.fetch_add(1, std::memory_order_relaxed);
    void* const memory = std::malloc(size == 0 ? 1 : size);
    rootstock::test::live_bytes.fetch_add(malloc_usable_size(memory), std::memory_order_relaxed);
    return memory;
}
[[gnu::noinline]] void* operator new(std::size_t size) {
    if (void* memory = operator new(size, std::nothrow)) {
        return memory;
    }
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { rootstock::test::free_counted(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { rootstock::test::free_counted(memory); }
[[gnu::noinline]] void operator delete(void* memory, const std::nothrow_t&) noexcept { rootstock::test::free_counted(memory); }
