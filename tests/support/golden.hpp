// Reads annotated packets and structures: hexadecimal bytes, `#` starts a comment.
#pragma once

#include "core/bytes.hpp"

#include <string>

namespace rootstock::test {

/// `name`: relative to tests/golden, "dhcp/edk2-pxe-discover.hex". Throws when the file is missing or holds anything but hexadecimal.
[[nodiscard]] ByteVector golden(const std::string& name);

/// "63 82 53 63", with or without spaces.
[[nodiscard]] ByteVector from_hex(std::string_view text);

} // namespace rootstock::test
