// Sense data for commands that the transport ends itself: data that came wrong (RFC 7143 section 11.4.7.2, SPC-4 annex F). Fixed format.
#pragma once

#include <array>
#include <cstdint>

namespace rootstock::iscsi {

using ProtocolSense = std::array<std::uint8_t, 18>;

/// ABORTED COMMAND with an additional sense code and qualifier.
[[nodiscard]] constexpr ProtocolSense aborted_command(std::uint8_t code, std::uint8_t qualifier) {
    ProtocolSense sense{};
    sense[0] = 0x70;
    sense[2] = 0x0b;
    sense[7] = 10; // bytes that follow
    sense[12] = code;
    sense[13] = qualifier;
    return sense;
}

inline constexpr ProtocolSense unexpected_unsolicited_data = aborted_command(0x0c, 0x0c);
inline constexpr ProtocolSense not_enough_unsolicited_data = aborted_command(0x0c, 0x0d);
inline constexpr ProtocolSense data_phase_error = aborted_command(0x4b, 0x00);
inline constexpr ProtocolSense data_offset_error = aborted_command(0x4b, 0x05);

} // namespace rootstock::iscsi
