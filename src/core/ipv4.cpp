#include "core/ipv4.hpp"

#include <arpa/inet.h>

#include <array>

namespace rootstock {

std::optional<Ipv4> Ipv4::parse(std::string_view text) {
    in_addr address{};
    if (inet_pton(AF_INET, std::string(text).c_str(), &address) != 1) {
        return std::nullopt;
    }
    return Ipv4{ntohl(address.s_addr)};
}

std::string Ipv4::text() const {
    in_addr address{htonl(value)};
    std::array<char, INET_ADDRSTRLEN> buffer{};
    return inet_ntop(AF_INET, &address, buffer.data(), buffer.size());
}

} // namespace rootstock
