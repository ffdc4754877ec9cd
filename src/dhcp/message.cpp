#include "dhcp/message.hpp"

#include "core/wire_int.hpp"
#include "dhcp/limits.hpp"

#include <algorithm>

namespace rootstock::dhcp {

namespace {

/// RFC 2131 figure 1, and the cookie of RFC 2132 section 2.
struct WireHeader {
    std::uint8_t op;
    std::uint8_t htype;
    std::uint8_t hlen;
    std::uint8_t hops;
    be32 xid;
    be16 secs;
    be16 flags;
    be32 ciaddr;
    be32 yiaddr;
    be32 siaddr;
    be32 giaddr;
    std::array<std::uint8_t, 16> chaddr;
    std::array<std::uint8_t, 64> sname;
    std::array<std::uint8_t, 128> file;
    be32 cookie;
};
static_assert(sizeof(WireHeader) == 240 && std::is_trivially_copyable_v<WireHeader>);

constexpr std::uint32_t magic_cookie = 0x63825363;

std::string field_text(Bytes field) {
    const auto end = std::find(field.begin(), field.end(), std::uint8_t{0});
    return {field.begin(), end};
}

void put_text(MutableBytes field, std::string_view value) {
    RS_ASSERT(value.size() < field.size());
    std::copy(value.begin(), value.end(), field.begin());
}

/// Section 4.1: options of the options field first, then of `file`, then of `sname`.
bool decode_all_options(const WireHeader& header, Bytes field, Message& message) {
    if (!decode_options(field, message.options)) {
        return false;
    }
    const auto overload = message.options.get_u8(option::overload).value_or(0);
    if ((overload & overload_file) == 0) {
        message.file = field_text(header.file);
    } else if (!decode_options(header.file, message.options)) {
        return false;
    }
    if ((overload & overload_sname) == 0) {
        message.sname = field_text(header.sname);
        return true;
    }
    return decode_options(header.sname, message.options);
}

WireHeader to_wire(const Message& message) {
    WireHeader header{};
    header.op = static_cast<std::uint8_t>(message.op);
    header.htype = hardware_ethernet;
    header.hlen = static_cast<std::uint8_t>(message.chaddr.octets.size());
    header.hops = message.hops;
    header.xid = message.xid;
    header.secs = message.secs;
    header.flags = message.flags;
    header.ciaddr = message.ciaddr.value;
    header.yiaddr = message.yiaddr.value;
    header.siaddr = message.siaddr.value;
    header.giaddr = message.giaddr.value;
    std::copy(message.chaddr.octets.begin(), message.chaddr.octets.end(), header.chaddr.begin());
    put_text(header.sname, message.sname);
    put_text(header.file, message.file);
    header.cookie = magic_cookie;
    return header;
}

} // namespace

std::optional<MessageType> Message::type() const {
    const auto number = options.get_u8(option::message_type);
    if (!number || *number < static_cast<std::uint8_t>(MessageType::discover) ||
        *number > static_cast<std::uint8_t>(MessageType::inform)) {
        return std::nullopt;
    }
    return static_cast<MessageType>(*number);
}

std::string_view text(DecodeError error) {
    switch (error) {
    case DecodeError::too_short:
        return "shorter than a DHCP header";
    case DecodeError::not_dhcp:
        return "no DHCP message";
    case DecodeError::not_ethernet:
        return "the hardware address is not of Ethernet";
    case DecodeError::bad_options:
        return "an option is longer than its field";
    }
    return "unknown";
}

Result<Message, DecodeError> decode(Bytes packet) {
    if (packet.size() < sizeof(WireHeader)) {
        return DecodeError::too_short;
    }
    const auto header = from_bytes<WireHeader>(packet);
    const bool known_op = header.op == static_cast<std::uint8_t>(Op::request) || header.op == static_cast<std::uint8_t>(Op::reply);
    if (header.cookie != magic_cookie || !known_op) {
        return DecodeError::not_dhcp;
    }
    Message message;
    if (header.htype != hardware_ethernet || header.hlen != message.chaddr.octets.size()) {
        return DecodeError::not_ethernet;
    }
    message.op = static_cast<Op>(header.op);
    message.hops = header.hops;
    message.xid = header.xid;
    message.secs = header.secs;
    message.flags = header.flags;
    message.ciaddr = {header.ciaddr};
    message.yiaddr = {header.yiaddr};
    message.siaddr = {header.siaddr};
    message.giaddr = {header.giaddr};
    std::copy_n(header.chaddr.begin(), message.chaddr.octets.size(), message.chaddr.octets.begin());
    if (!decode_all_options(header, packet.subspan(sizeof(WireHeader)), message)) {
        return DecodeError::bad_options;
    }
    return message;
}

void encode(const Message& message, std::size_t size_limit, ByteVector& out) {
    out.clear();
    ByteWriter writer(out);
    writer.write(to_wire(message));
    const Option* relay_information = nullptr;
    std::size_t reserved = 1; // END
    for (const Option& option : message.options) {
        if (option.code == option::relay_agent_information) {
            relay_information = &option;
            reserved += encoded_size(option);
        }
    }
    for (const Option& option : message.options) {
        if (&option != relay_information && writer.size() + encoded_size(option) + reserved <= size_limit) {
            encode_option(option, writer);
        }
    }
    if (relay_information != nullptr) {
        encode_option(*relay_information, writer);
    }
    writer.byte(option::end);
    if (writer.size() < bootp_minimum_size) {
        writer.fill(bootp_minimum_size - writer.size());
    }
}

} // namespace rootstock::dhcp
