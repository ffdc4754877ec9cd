// TFTP packets (RFC 1350 section 5, options of RFC 2347) as a server reads and writes them. Pure.
#pragma once

#include "core/bytes.hpp"
#include "core/result.hpp"

#include <array>
#include <string>
#include <variant>
#include <vector>

namespace rootstock::tftp {

enum class Opcode : std::uint16_t {
    read_request = 1,
    write_request = 2,
    data = 3,
    ack = 4,
    error = 5,
    option_ack = 6,
};

enum class ErrorCode : std::uint16_t {
    not_defined = 0,
    file_not_found = 1,
    access_violation = 2,
    disk_full = 3,
    illegal_operation = 4,
    unknown_transfer_id = 5,
    file_exists = 6,
    no_such_user = 7,
    option_refused = 8, // RFC 2347; EDK2 sends it to end its size probe
};

/// Name (lower case) and value, in the order of the packet.
using OptionList = std::vector<std::pair<std::string, std::string>>;

struct Request {
    bool write = false;
    std::string file_name;
    std::string mode; // lower case
    OptionList options;
    bool operator==(const Request&) const = default;
};
struct Ack {
    std::uint16_t block = 0;
    bool operator==(const Ack&) const = default;
};
struct PeerError {
    ErrorCode code = ErrorCode::not_defined;
    std::string message; // printable characters only
    bool operator==(const PeerError&) const = default;
};

using Packet = std::variant<Request, Ack, PeerError>;

enum class DecodeError : std::uint8_t {
    too_short,
    too_long,       // a request of more than 512 bytes
    unterminated,   // a string without its NUL
    no_value,       // an option name without a value
    unexpected,     // DATA, OACK or an unknown opcode: nothing that a client that reads would send
};

[[nodiscard]] Result<Packet, DecodeError> decode(Bytes packet);

/// A packet to send: a head of at most four bytes, and a body that lies in the file or in the transfer.
struct OutPacket {
    std::array<std::uint8_t, 4> head{};
    std::uint8_t head_size = 0;
    Bytes body;
};

[[nodiscard]] OutPacket make_data(std::uint16_t block, Bytes body);
/// `options`: as encode_options() wrote them.
[[nodiscard]] OutPacket make_option_ack(Bytes options);
[[nodiscard]] ByteVector encode_options(const OptionList& options);
/// A whole ERROR packet.
[[nodiscard]] ByteVector encode_error(ErrorCode code, std::string_view message);

} // namespace rootstock::tftp
