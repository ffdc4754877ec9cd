// RS_ASSERT: our own mistakes, kept in release builds. No byte from a peer or a file may ever reach one unchecked.
#pragma once

namespace rootstock {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
} // namespace rootstock

#define RS_ASSERT(expression)                                                                      \
    (static_cast<bool>(expression) ? static_cast<void>(0)                                         \
                                   : ::rootstock::assertion_failed(#expression, __FILE__, __LINE__))
