#include "core/ip_address.hpp"

#include "core/text.hpp"

#include <arpa/inet.h>

namespace rootstock {
namespace {

bool same_bits(const IpAddress& a, const IpAddress& b, unsigned first, unsigned end) {
    for (unsigned bit = first; bit < end; ++bit) {
        const unsigned mask = 0x80U >> bit % 8;
        if (((a.bytes[bit / 8] ^ b.bytes[bit / 8]) & mask) != 0) {
            return false;
        }
    }
    return true;
}

} // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    IpAddress address;
    address.is_v6 = text.find(':') != std::string_view::npos;
    const std::string plain(address.is_v6 ? text.substr(0, text.find('%')) : text);
    if (inet_pton(address.is_v6 ? AF_INET6 : AF_INET, plain.c_str(), address.bytes.data()) != 1) {
        return std::nullopt;
    }
    return address;
}

std::string IpAddress::text() const {
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    return inet_ntop(is_v6 ? AF_INET6 : AF_INET, bytes.data(), buffer.data(), buffer.size());
}

std::optional<IpPrefix> IpPrefix::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    const auto address = IpAddress::parse(text.substr(0, slash));
    if (!address) {
        return std::nullopt;
    }
    const auto length = slash == std::string_view::npos ? std::optional(address->bits()) : parse_number<unsigned>(text.substr(slash + 1));
    if (!length || *length > address->bits() || !same_bits(*address, {address->is_v6, {}}, *length, address->bits())) {
        return std::nullopt;
    }
    return IpPrefix{*address, *length};
}

bool IpPrefix::contains(const IpAddress& other) const { return other.is_v6 == address.is_v6 && same_bits(address, other, 0, length); }

} // namespace rootstock
