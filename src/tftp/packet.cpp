#include "tftp/packet.hpp"

#include "core/text.hpp"
#include "core/wire_int.hpp"
#include "tftp/limits.hpp"

#include <algorithm>
#include <optional>

namespace rootstock::tftp {

namespace {

be16 wire(Opcode opcode) { return be16(static_cast<std::uint16_t>(opcode)); }

/// A string up to its NUL, which is taken as well.
std::optional<std::string_view> take_string(ByteReader& reader) {
    const Bytes rest = reader.rest();
    const auto end = std::find(rest.begin(), rest.end(), std::uint8_t{0});
    if (end == rest.end()) {
        return std::nullopt;
    }
    const auto length = static_cast<std::size_t>(end - rest.begin());
    reader.skip(length + 1);
    return as_text(rest.first(length));
}

Result<Packet, DecodeError> decode_request(ByteReader& reader, bool write) {
    if (reader.remaining() + sizeof(be16) > request_size_limit) {
        return DecodeError::too_long;
    }
    const auto file_name = take_string(reader);
    const auto mode = take_string(reader);
    if (!file_name || !mode) {
        return DecodeError::unterminated;
    }
    Request request{write, std::string(*file_name), to_lower(*mode), {}};
    while (reader.remaining() > 0 && request.options.size() < options_limit) {
        const auto name = take_string(reader);
        if (!name) {
            return DecodeError::unterminated;
        }
        if (name->empty()) {
            break; // some ROMs pad their request with zeros
        }
        const auto value = take_string(reader);
        if (!value) {
            return DecodeError::no_value;
        }
        request.options.emplace_back(to_lower(*name), *value);
    }
    return Packet(std::move(request));
}

/// For the log: whatever the peer put there must not disturb a terminal.
std::string printable(Bytes bytes) {
    std::string text;
    for (const std::uint8_t c : bytes) {
        if (c == 0) {
            break;
        }
        text.push_back(c >= 0x20 && c < 0x7f ? static_cast<char>(c) : '?');
    }
    return text;
}

} // namespace

Result<Packet, DecodeError> decode(Bytes packet) {
    ByteReader reader(packet);
    const auto opcode = static_cast<Opcode>(reader.read<be16>().value());
    if (!reader.ok()) {
        return DecodeError::too_short;
    }
    if (opcode == Opcode::read_request || opcode == Opcode::write_request) {
        return decode_request(reader, opcode == Opcode::write_request);
    }
    if (opcode != Opcode::ack && opcode != Opcode::error) {
        return DecodeError::unexpected;
    }
    const std::uint16_t number = reader.read<be16>().value();
    if (!reader.ok()) {
        return DecodeError::too_short;
    }
    if (opcode == Opcode::ack) {
        return Packet(Ack{number}); // some clients pad it
    }
    return Packet(PeerError{static_cast<ErrorCode>(number), printable(reader.rest())});
}

OutPacket make_data(std::uint16_t block, Bytes body) {
    OutPacket packet;
    const be16 opcode = wire(Opcode::data);
    const be16 number(block);
    std::memcpy(packet.head.data(), &opcode, sizeof(opcode));
    std::memcpy(packet.head.data() + sizeof(opcode), &number, sizeof(number));
    packet.head_size = 4;
    packet.body = body;
    return packet;
}

OutPacket make_option_ack(Bytes options) {
    OutPacket packet;
    const be16 opcode = wire(Opcode::option_ack);
    std::memcpy(packet.head.data(), &opcode, sizeof(opcode));
    packet.head_size = 2;
    packet.body = options;
    return packet;
}

ByteVector encode_options(const OptionList& options) {
    ByteVector out;
    ByteWriter writer(out);
    for (const auto& [name, value] : options) {
        writer.append(name);
        writer.byte(0);
        writer.append(value);
        writer.byte(0);
    }
    return out;
}

ByteVector encode_error(ErrorCode code, std::string_view message) {
    ByteVector out;
    ByteWriter writer(out);
    writer.write(wire(Opcode::error));
    writer.write(be16(static_cast<std::uint16_t>(code)));
    writer.append(message);
    writer.byte(0);
    return out;
}

} // namespace rootstock::tftp
