#include "dhcp/pxe.hpp"

#include "dhcp/limits.hpp"

#include <array>

namespace rootstock::dhcp {

namespace {

constexpr std::string_view pxe_class = "PXEClient";
constexpr std::string_view http_class = "HTTPClient";
constexpr std::string_view ipxe_class = "iPXE";

/// RFC 4578 section 2.3: a type byte of zero, then the UUID in EFI byte order. All zero: a board without one.
std::optional<Guid> read_uuid(Bytes value) {
    Guid uuid;
    if (value.size() != 1 + uuid.bytes.size() || value[0] != 0) {
        return std::nullopt;
    }
    std::copy(value.begin() + 1, value.end(), uuid.bytes.begin());
    return uuid.is_nil() ? std::nullopt : std::optional(uuid);
}

/// RFC 4578 section 2.1: a list; the first is what runs now.
std::optional<std::uint16_t> read_architecture(Bytes value) {
    if (value.size() < sizeof(be16)) {
        return std::nullopt;
    }
    return from_bytes<be16>(value).value();
}

bool has_feature(const Options& encapsulated, std::uint8_t code) { return encapsulated.get_u8(code).value_or(0) != 0; }

/// iPXE sends the bare name, RFC 3004 wants a length byte before it.
bool is_ipxe_user_class(Bytes value) {
    const std::string_view name = as_text(value);
    return name == ipxe_class || (name.size() == ipxe_class.size() + 1 && name.substr(1) == ipxe_class);
}

} // namespace

ClientFacts read_client(const Message& request) {
    const Options& options = request.options;
    ClientFacts client;
    client.mac = request.chaddr;
    client.architecture = read_architecture(options.get(option::client_architecture));
    client.uuid = read_uuid(options.get(option::client_uuid));
    client.vendor_class = as_text(options.get(option::vendor_class)).substr(0, vendor_class_limit);
    client.is_pxe = client.vendor_class.starts_with(pxe_class);
    client.is_http_client = client.vendor_class.starts_with(http_class);
    client.is_ipxe = is_ipxe_user_class(options.get(option::user_class)) || options.has(option::ipxe_encapsulated);
    Options encapsulated;
    if (decode_options(options.get(option::ipxe_encapsulated), encapsulated)) {
        client.ipxe_has_iscsi = has_feature(encapsulated, ipxe_option::iscsi);
        client.ipxe_has_http = has_feature(encapsulated, ipxe_option::http);
    }
    return client;
}

void add_boot_options(const ClientFacts& client, const std::string& boot_file, Ipv4 server, Message& reply) {
    if (boot_file.empty() || !(client.is_pxe || client.is_http_client || client.is_ipxe)) {
        return;
    }
    reply.siaddr = server;
    if (boot_file.size() <= file_capacity) {
        reply.file = boot_file;
    }
    reply.options.add(option::boot_file_name, boot_file);
    if (client.is_ipxe) {
        static constexpr std::array<std::uint8_t, 3> no_proxy{ipxe_option::no_pxedhcp, 1, 1};
        reply.options.append(option::ipxe_encapsulated, no_proxy);
    } else if (client.is_http_client) {
        reply.options.add(option::vendor_class, http_class);
    } else {
        static constexpr std::array<std::uint8_t, 4> boot_directly{
            pxe_option::discovery_control, 1, pxe_use_boot_file, option::end};
        reply.options.add(option::vendor_class, pxe_class);
        reply.options.append(option::vendor_specific, boot_directly);
    }
}

} // namespace rootstock::dhcp
