#include "scsi/transport_id.hpp"

#include "core/checked.hpp"
#include "core/wire_int.hpp"

namespace rootstock::scsi {
namespace {

constexpr std::uint8_t iscsi_protocol = 0x05;
constexpr std::uint8_t format_with_isid = 0x40;
constexpr std::uint8_t format_mask = 0xc0;
constexpr std::string_view isid_separator = ",i,0x";
constexpr std::size_t header_size = 4;
constexpr std::size_t smallest_name_field = 20;

} // namespace

ByteVector encode_transport_id(std::string_view initiator_port) {
    const bool with_isid = initiator_port.find(isid_separator) != std::string_view::npos;
    const std::size_t field = std::max(smallest_name_field, round_up(initiator_port.size() + 1, 4)); // ends with a zero
    ByteVector bytes;
    ByteWriter out(bytes);
    out.byte(static_cast<std::uint8_t>(iscsi_protocol | (with_isid ? format_with_isid : 0U)));
    out.byte(0);
    out.write(be16(static_cast<std::uint16_t>(field)));
    out.append(initiator_port);
    out.fill(field - initiator_port.size());
    return bytes;
}

std::optional<std::string> decode_transport_id(Bytes bytes) {
    ByteReader in(bytes);
    const auto kind = in.read<std::uint8_t>();
    in.skip(1);
    const Bytes field = in.take(in.read<be16>().value());
    const bool with_isid = (kind & format_mask) == format_with_isid;
    if (!in.ok() || (kind & 0x0fU) != iscsi_protocol || (kind & format_mask) > format_with_isid || field.size() < smallest_name_field ||
        field.size() % 4 != 0) {
        return std::nullopt;
    }
    const std::string_view text = as_text(field);
    const std::size_t end = text.find('\0');
    if (end == std::string_view::npos || end == 0) {
        return std::nullopt;
    }
    const std::string_view name = text.substr(0, end);
    if ((name.find(isid_separator) != std::string_view::npos) != with_isid) {
        return std::nullopt;
    }
    return std::string(name);
}

} // namespace rootstock::scsi
