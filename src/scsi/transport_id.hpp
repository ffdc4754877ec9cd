// iSCSI TransportIDs (SPC-4 section 7.6.4.6): an initiator port by name, as PERSISTENT RESERVE passes it around. Pure.
#pragma once

#include "core/bytes.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace rootstock::scsi {

/// 24 bytes of parameter list, then a TransportID whose name has at most 223 + 17 characters (RFC 7143 4.2.7.1), padded.
inline constexpr std::uint32_t max_reserve_list_size = 24 + 4 + 244;

/// `initiator_port`: name, or name + ",i,0x" + ISID. Format 01b has the ISID, format 00b only the name.
[[nodiscard]] ByteVector encode_transport_id(std::string_view initiator_port);

/// The initiator port of an iSCSI TransportID; nothing when it is malformed or of another protocol. What follows it is not looked at.
[[nodiscard]] std::optional<std::string> decode_transport_id(Bytes bytes);

} // namespace rootstock::scsi
