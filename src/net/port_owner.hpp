// Who holds a port: for the one line that tells why a service cannot start. Reads /proc; never needed for function.
#pragma once

#include "core/error.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace rootstock::net {

enum class Transport : std::uint8_t { tcp, udp };

/// "tgtd (process 4711)"; nothing when it cannot be seen (another user's process, another network namespace).
[[nodiscard]] std::optional<std::string> port_owner(Transport transport, std::uint16_t port);

/// "`purpose` cannot use 10.20.0.1:3260 (TCP): tgtd (process 4711) has it; stop that or choose another port".
[[nodiscard]] Error
port_taken_error(Transport transport, const std::string& where, std::uint16_t port, const std::string& purpose);

} // namespace rootstock::net
