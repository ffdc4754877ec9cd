#include "core/crc32c.hpp"

#include "core/dynamic_library.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace rootstock {

namespace {

// ISA-L's crc.h: unsigned int crc32_iscsi(unsigned char* buffer, int len, unsigned int init_crc); it inverts nothing itself.
using Crc32Iscsi = unsigned int(unsigned char*, int, unsigned int);

Result<Crc32Iscsi*> load() {
    Result<DynamicLibrary> library = DynamicLibrary::open("libisal.so.2", "libisal2");
    if (!library) {
        return library.error();
    }
    auto* function = library->function<Crc32Iscsi>("crc32_iscsi");
    if (function == nullptr) {
        return make_error(std::errc::function_not_supported, "libisal.so.2 has no crc32_iscsi: reinstall the package libisal2");
    }
    return function;
}

const Result<Crc32Iscsi*>& loaded() {
    static const Result<Crc32Iscsi*> function = load();
    return function;
}

Crc32Iscsi* loaded_or_abort() {
    const auto& function = loaded();
    if (!function) {
        std::fprintf(stderr, "rootstock: %s\n", function.error().what.c_str());
        std::abort();
    }
    return *function;
}

} // namespace

Result<void> load_crc32c() {
    if (const auto& function = loaded(); !function) {
        return function.error();
    }
    return {};
}

std::uint32_t crc32c(Bytes bytes, std::uint32_t previous) {
    static Crc32Iscsi* const function = loaded_or_abort();
    constexpr std::size_t step = std::size_t{1} << 30; // ISA-L takes an int
    std::uint32_t crc = ~previous;
    while (!bytes.empty()) {
        Bytes piece = bytes.first(std::min(step, bytes.size()));
        crc = function(const_cast<unsigned char*>(piece.data()), static_cast<int>(piece.size()), crc);
        bytes = bytes.subspan(piece.size());
    }
    return ~crc;
}

} // namespace rootstock
