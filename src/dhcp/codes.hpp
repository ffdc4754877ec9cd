// Numbers of RFC 2131, RFC 2132, RFC 4578, the PXE specification 2.1 and iPXE.
#pragma once

#include <cstdint>

namespace rootstock::dhcp {

inline constexpr std::uint16_t server_port = 67;
inline constexpr std::uint16_t client_port = 68;

enum class Op : std::uint8_t { request = 1, reply = 2 };

inline constexpr std::uint8_t hardware_ethernet = 1;
inline constexpr std::uint16_t flag_broadcast = 0x8000;

/// Option 53 (RFC 2132 section 9.6).
enum class MessageType : std::uint8_t {
    discover = 1,
    offer = 2,
    request = 3,
    decline = 4,
    ack = 5,
    nak = 6,
    release = 7,
    inform = 8,
};

namespace option {
inline constexpr std::uint8_t pad = 0;
inline constexpr std::uint8_t subnet_mask = 1;
inline constexpr std::uint8_t router = 3;
inline constexpr std::uint8_t domain_name_servers = 6;
inline constexpr std::uint8_t host_name = 12;
inline constexpr std::uint8_t domain_name = 15;
inline constexpr std::uint8_t broadcast_address = 28;
inline constexpr std::uint8_t vendor_specific = 43;
inline constexpr std::uint8_t requested_address = 50;
inline constexpr std::uint8_t lease_time = 51;
inline constexpr std::uint8_t overload = 52;
inline constexpr std::uint8_t message_type = 53;
inline constexpr std::uint8_t server_identifier = 54;
inline constexpr std::uint8_t parameter_request_list = 55;
inline constexpr std::uint8_t message = 56;
inline constexpr std::uint8_t maximum_message_size = 57;
inline constexpr std::uint8_t renewal_time = 58;
inline constexpr std::uint8_t rebinding_time = 59;
inline constexpr std::uint8_t vendor_class = 60;
inline constexpr std::uint8_t client_identifier = 61;
inline constexpr std::uint8_t boot_file_name = 67;
inline constexpr std::uint8_t user_class = 77;
inline constexpr std::uint8_t relay_agent_information = 82; // RFC 3046
inline constexpr std::uint8_t client_architecture = 93;     // RFC 4578
inline constexpr std::uint8_t client_uuid = 97;             // RFC 4578
inline constexpr std::uint8_t ipxe_encapsulated = 175;      // ipxe.org/howto/dhcpd
inline constexpr std::uint8_t end = 255;
} // namespace option

/// Option 52: which header fields carry options as well.
inline constexpr std::uint8_t overload_file = 1;
inline constexpr std::uint8_t overload_sname = 2;

/// Sub-options of option 43 (PXE 2.1, table 2-1).
namespace pxe_option {
inline constexpr std::uint8_t discovery_control = 6;
} // namespace pxe_option
/// PXE_DISCOVERY_CONTROL bit 3: boot the file of this packet, without prompt, menu or boot server discovery.
inline constexpr std::uint8_t pxe_use_boot_file = 8;

/// Sub-options of option 175.
namespace ipxe_option {
inline constexpr std::uint8_t iscsi = 17;
inline constexpr std::uint8_t http = 19;
inline constexpr std::uint8_t no_pxedhcp = 176; // 1: do not wait for a proxyDHCP server
} // namespace ipxe_option

} // namespace rootstock::dhcp
