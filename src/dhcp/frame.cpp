#include "dhcp/frame.hpp"

#include "core/wire_int.hpp"

namespace rootstock::dhcp {

namespace {

constexpr std::uint16_t ethertype_ipv4 = 0x0800;
constexpr std::uint8_t version_and_length = 0x45; // version 4, five words
constexpr std::uint8_t protocol_udp = 17;
constexpr std::uint8_t time_to_live = 64;
constexpr std::uint16_t more_fragments_or_offset = 0x3fff;

struct EthernetHeader {
    Mac to;
    Mac from;
    be16 type;
};
struct IpHeader {
    std::uint8_t version_and_length;
    std::uint8_t service;
    be16 total_length;
    be16 identification;
    be16 fragment;
    std::uint8_t time_to_live;
    std::uint8_t protocol;
    be16 checksum;
    be32 from;
    be32 to;
};
struct UdpHeader {
    be16 from_port;
    be16 to_port;
    be16 length;
    be16 checksum;
};
static_assert(sizeof(EthernetHeader) == 14 && sizeof(IpHeader) == 20 && sizeof(UdpHeader) == 8);

/// RFC 1071: the sum of 16-bit words; `odd` bytes are padded with zero.
std::uint32_t add_words(std::uint32_t sum, Bytes bytes) {
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
        sum += static_cast<std::uint32_t>(bytes[i] << 8U | bytes[i + 1]);
    }
    return bytes.size() % 2 == 0 ? sum : sum + static_cast<std::uint32_t>(bytes.back() << 8U);
}

std::uint16_t fold(std::uint32_t sum) {
    while (sum > 0xffff) {
        sum = (sum & 0xffff) + (sum >> 16U);
    }
    return static_cast<std::uint16_t>(~sum);
}

std::uint16_t udp_checksum(const IpHeader& ip, const UdpHeader& udp, Bytes payload) {
    struct PseudoHeader {
        be32 from;
        be32 to;
        be16 protocol;
        be16 length;
    };
    const PseudoHeader pseudo{ip.from, ip.to, be16(protocol_udp), udp.length};
    const auto sum = fold(add_words(add_words(add_words(0, object_bytes(pseudo)), object_bytes(udp)), payload));
    return sum == 0 ? 0xffff : sum; // zero would mean "no checksum"
}

} // namespace

ByteVector build_udp_frame(const FrameAddress& from, const FrameAddress& to, Bytes payload) {
    const EthernetHeader ethernet{to.mac, from.mac, be16(ethertype_ipv4)};
    const auto udp_length = static_cast<std::uint16_t>(sizeof(UdpHeader) + payload.size());
    IpHeader ip{};
    ip.version_and_length = version_and_length;
    ip.total_length = static_cast<std::uint16_t>(sizeof(IpHeader) + udp_length);
    ip.time_to_live = time_to_live;
    ip.protocol = protocol_udp;
    ip.from = from.address.value;
    ip.to = to.address.value;
    ip.checksum = fold(add_words(0, object_bytes(ip)));
    UdpHeader udp{be16(from.port), be16(to.port), be16(udp_length), be16(0)};
    udp.checksum = udp_checksum(ip, udp, payload);

    ByteVector frame;
    frame.reserve(sizeof(ethernet) + sizeof(ip) + udp_length);
    ByteWriter writer(frame);
    writer.write(ethernet);
    writer.write(ip);
    writer.write(udp);
    writer.append(payload);
    return frame;
}

std::optional<UdpFrame> read_udp_frame(Bytes frame) {
    ByteReader reader(frame);
    const auto ethernet = reader.read<EthernetHeader>();
    const auto ip = reader.read<IpHeader>();
    const std::size_t ip_header_size = static_cast<std::size_t>(ip.version_and_length & 0x0fU) * 4;
    if (!reader.ok() || ethernet.type != ethertype_ipv4 || ip.version_and_length >> 4U != 4 || ip_header_size < sizeof(ip) ||
        ip.protocol != protocol_udp || (ip.fragment & more_fragments_or_offset) != 0) {
        return std::nullopt;
    }
    reader.skip(ip_header_size - sizeof(ip));
    const auto udp = reader.read<UdpHeader>();
    if (!reader.ok() || udp.length < sizeof(udp)) {
        return std::nullopt;
    }
    const Bytes payload = reader.take(udp.length - sizeof(udp));
    if (!reader.ok()) {
        return std::nullopt;
    }
    return UdpFrame{{ethernet.from, {ip.from}, udp.from_port}, {ethernet.to, {ip.to}, udp.to_port}, payload};
}

} // namespace rootstock::dhcp
