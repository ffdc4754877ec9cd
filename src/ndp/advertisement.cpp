#include "ndp/advertisement.hpp"

#include "core/wire_int.hpp"

namespace rootstock::ndp {

namespace {

constexpr std::uint8_t router_solicitation = 133;
constexpr std::uint8_t router_advertisement = 134;
constexpr std::uint8_t option_source_link_layer = 1;
constexpr std::size_t option_unit = 8; // option lengths count in these
constexpr int required_hop_limit = 255;

struct SolicitationHeader {
    std::uint8_t type;
    std::uint8_t code;
    be16 checksum;
    be32 reserved;
};

struct AdvertisementHeader {
    std::uint8_t type;
    std::uint8_t code;
    be16 checksum;
    std::uint8_t hop_limit; // 0: unspecified by this router
    std::uint8_t flags;     // no DHCPv6: M and O clear
    be16 router_lifetime;   // 0: no default router
    be32 reachable_time;
    be32 retransmission_timer;
};

struct LinkLayerOption {
    std::uint8_t type;
    std::uint8_t length;
    Mac mac;
};
static_assert(sizeof(SolicitationHeader) == 8 && sizeof(AdvertisementHeader) == 16 && sizeof(LinkLayerOption) == 8);

/// False: an option of length zero, or one that runs past the end.
bool read_options(ByteReader& reader, Solicitation& solicitation) {
    while (reader.remaining() > 0) {
        const Bytes rest = reader.rest();
        const std::size_t size = rest.size() < 2 ? 0 : rest[1] * option_unit;
        if (size == 0 || size > rest.size()) {
            return false;
        }
        if (rest[0] == option_source_link_layer && size == sizeof(LinkLayerOption)) {
            solicitation.source_mac = from_bytes<LinkLayerOption>(rest).mac;
        }
        reader.skip(size);
    }
    return true;
}

} // namespace

std::optional<Solicitation> decode_solicitation(Bytes message, const Ipv6& source, int hop_limit) {
    ByteReader reader(message);
    const auto header = reader.read<SolicitationHeader>();
    if (!reader.ok() || header.type != router_solicitation || header.code != 0 || hop_limit != required_hop_limit) {
        return std::nullopt;
    }
    Solicitation solicitation;
    if (!read_options(reader, solicitation)) {
        return std::nullopt;
    }
    if (source == Ipv6{} && solicitation.source_mac) {
        return std::nullopt; // section 6.1.1: who has no address names no link-layer address either
    }
    return solicitation;
}

ByteVector encode_advertisement(const Mac& own_mac) {
    AdvertisementHeader header{};
    header.type = router_advertisement;
    const LinkLayerOption option{option_source_link_layer, 1, own_mac};
    ByteVector message;
    ByteWriter writer(message);
    writer.write(header);
    writer.write(option);
    return message;
}

Ipv6 answer_address(const Ipv6& source) { return source == Ipv6{} ? all_nodes : source; }

} // namespace rootstock::ndp
