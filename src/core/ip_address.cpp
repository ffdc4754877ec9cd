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

std::optional<IpEndpoint> IpEndpoint::parse(std::string_view text, std::uint16_t otherwise) {
    const bool bracketed = text.starts_with('[');
    const std::size_t end = bracketed ? text.find(']') : text.find(':');
    const auto address = IpAddress::parse(bracketed ? text.substr(1, end - 1) : text.substr(0, end));
    if (!address || address->is_v6 != bracketed || (bracketed && end == std::string_view::npos)) {
        return std::nullopt;
    }
    const std::string_view rest = end == std::string_view::npos ? std::string_view() : text.substr(end + (bracketed ? 1 : 0));
    if (rest.empty()) {
        return IpEndpoint{*address, otherwise};
    }
    const auto number = rest.front() == ':' ? parse_number<std::uint16_t>(rest.substr(1)) : std::nullopt;
    return number && *number != 0 ? std::optional(IpEndpoint{*address, *number}) : std::nullopt;
}

std::string IpEndpoint::text() const {
    return (address.is_v6 ? "[" + address.text() + "]" : address.text()) + ":" + std::to_string(port);
}

} // namespace rootstock
