#include "core/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace rootstock {
void assertion_failed(const char* expression, const char* file, int line) {
    std::fprintf(stderr, "rootstock: assertion failed: %s (%s:%d)\n", expression, file, line);
    std::abort();
}
} // namespace rootstock
