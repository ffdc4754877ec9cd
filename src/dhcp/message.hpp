// A BOOTP/DHCP message (RFC 951, RFC 2131 section 2): header, cookie, options with overload (option 52).
// Pure; Ethernet only. What decode() gives, encode() writes again.
#pragma once

#include "core/mac.hpp"
#include "core/result.hpp"
#include "dhcp/codes.hpp"
#include "dhcp/option.hpp"

#include <string>

namespace rootstock::dhcp {

struct Message {
    Op op = Op::request;
    std::uint8_t hops = 0;
    std::uint32_t xid = 0;
    std::uint16_t secs = 0; // carries debugging flags in iPXE, not seconds: decides nothing
    std::uint16_t flags = 0;
    Ipv4 ciaddr;
    Ipv4 yiaddr;
    Ipv4 siaddr;
    Ipv4 giaddr;
    Mac chaddr;
    std::string sname; // empty when the field carries options
    std::string file;
    Options options;

    bool operator==(const Message&) const = default;
    /// Option 53; nothing in a plain BOOTP message or for an unknown number.
    [[nodiscard]] std::optional<MessageType> type() const;
    [[nodiscard]] bool wants_broadcast() const { return (flags & flag_broadcast) != 0; }
};

enum class DecodeError : std::uint8_t {
    too_short,       // no room for header and cookie
    not_dhcp,        // no magic cookie, or an op other than request and reply
    not_ethernet,    // htype, hlen
    bad_options,     // a length runs past its field
};
[[nodiscard]] std::string_view text(DecodeError error);

[[nodiscard]] Result<Message, DecodeError> decode(Bytes packet);

/// At least bootp_minimum_size bytes. Options that would exceed `size_limit` bytes are left out, the last ones first; option 82
/// never is, and goes last (RFC 3046 section 2.2). `sname` and `file` must fit their fields with a NUL (63 and 127 bytes).
void encode(const Message& message, std::size_t size_limit, ByteVector& out);

inline constexpr std::size_t sname_capacity = 63;
inline constexpr std::size_t file_capacity = 127;

} // namespace rootstock::dhcp
