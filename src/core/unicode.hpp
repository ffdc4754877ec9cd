// UTF-8 <-> UTF-16LE, for VHDX parent locators ([MS-VHDX] 2.6.2.6) and VHD names.
#pragma once

#include "core/bytes.hpp"

#include <optional>

namespace rootstock {

/// Nothing when `text` is not valid UTF-8.
[[nodiscard]] std::optional<ByteVector> utf16le_from_utf8(std::string_view text);
/// Nothing on an odd size or an unpaired surrogate.
[[nodiscard]] std::optional<std::string> utf8_from_utf16le(Bytes bytes);

} // namespace rootstock
