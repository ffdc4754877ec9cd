#include "scsi/copy_list.hpp"

#include "core/wire_int.hpp"
#include "scsi/limits.hpp"

namespace rootstock::scsi {
namespace {

constexpr std::uint8_t known_flags = 0x3f; // STR (segments always run in order), LIST ID USAGE, PRIORITY
constexpr std::uint8_t reserved_usage = 1;

struct ListHeader {
    std::uint8_t list_identifier;
    std::uint8_t flags;
    be16 cscd_list_length;
    be32 reserved;
    be32 segment_list_length;
    be32 inline_data_length;
};
static_assert(sizeof(ListHeader) == 16);

struct CscdWire {
    std::uint8_t type;
    std::uint8_t device_type; // LU ID TYPE and NUL above it are obsolete
    be16 relative_initiator_port;
    std::uint8_t code_set;
    std::uint8_t association_and_type;
    std::uint8_t reserved;
    std::uint8_t designator_length;
    std::array<std::uint8_t, 20> designator;
    std::uint8_t pad;
    be24 block_length;
};
static_assert(sizeof(CscdWire) == 32);

struct SegmentWire {
    std::uint8_t type;
    std::uint8_t flags;
    be16 length;
    be16 source;
    be16 destination;
    be16 reserved;
    be16 block_count;
    be64 source_lba;
    be64 destination_lba;
};
static_assert(sizeof(SegmentWire) == 28);
constexpr std::uint16_t segment_length = sizeof(SegmentWire) - 4; // DESCRIPTOR LENGTH counts what follows it

constexpr std::size_t max_descriptors_size = limits::copy_cscds * sizeof(CscdWire) + limits::copy_segments * sizeof(SegmentWire);

Sense at(Asc asc, std::size_t position) {
    return {SenseKey::illegal_request, asc, FieldPointer{false, static_cast<std::uint16_t>(position), {}}, {}};
}

std::optional<Sense> check_header(const ListHeader& header, std::size_t list_size) {
    const auto usage = static_cast<std::uint8_t>((header.flags >> 3U) & 3U);
    if ((header.flags & ~known_flags) != 0) {
        return invalid_field_in_parameter_list(1, 7);
    }
    if (usage == reserved_usage) {
        return invalid_field_in_parameter_list(1, 4);
    }
    if (static_cast<ListIdUsage>(usage) == ListIdUsage::none && header.list_identifier != 0) {
        return invalid_field_in_parameter_list(0);
    }
    const std::uint64_t descriptors = std::uint64_t{header.cscd_list_length.value()} + header.segment_list_length.value();
    if (descriptors > max_descriptors_size || descriptors > list_size - sizeof(ListHeader)) {
        return at(Asc::parameter_list_length_error, offsetof(ListHeader, cscd_list_length));
    }
    if (header.inline_data_length.value() != 0) {
        return at(Asc::inline_data_length_exceeded, offsetof(ListHeader, inline_data_length));
    }
    if (header.cscd_list_length.value() % sizeof(CscdWire) != 0) {
        return invalid_field_in_parameter_list(offsetof(ListHeader, cscd_list_length));
    }
    if (header.cscd_list_length.value() / sizeof(CscdWire) > limits::copy_cscds) {
        return at(Asc::too_many_target_descriptors, offsetof(ListHeader, cscd_list_length));
    }
    return std::nullopt;
}

Result<CscdDescriptor, Sense> decode_cscd(Bytes bytes, std::size_t position) {
    const auto wire = from_bytes<CscdWire>(bytes);
    if (wire.type != identification_cscd) {
        return at(Asc::unsupported_target_descriptor_type, position);
    }
    if (wire.designator_length > wire.designator.size()) {
        return invalid_field_in_parameter_list(static_cast<std::uint16_t>(position + offsetof(CscdWire, designator_length)));
    }
    CscdDescriptor cscd;
    cscd.position = static_cast<std::uint16_t>(position);
    cscd.device_type = wire.device_type & 0x1fU;
    cscd.code_set = wire.code_set & 0x0fU;
    cscd.association_and_type = wire.association_and_type & 0x3fU;
    cscd.block_length = wire.block_length.value();
    cscd.designator.assign(wire.designator.begin(), wire.designator.begin() + wire.designator_length);
    return cscd;
}

Result<CopySegmentDescriptor, Sense> decode_segment(Bytes bytes, std::size_t position) {
    if (bytes[0] != block_to_block_segment) {
        return at(Asc::unsupported_segment_descriptor_type, position);
    }
    if (bytes.size() < sizeof(SegmentWire)) {
        return at(Asc::parameter_list_length_error, position);
    }
    const auto wire = from_bytes<SegmentWire>(bytes);
    if (wire.length.value() != segment_length) {
        return invalid_field_in_parameter_list(static_cast<std::uint16_t>(position + offsetof(SegmentWire, length)));
    }
    CopySegmentDescriptor segment;
    segment.position = static_cast<std::uint16_t>(position);
    segment.source = wire.source.value();
    segment.destination = wire.destination.value();
    segment.block_count = wire.block_count.value();
    segment.source_lba = wire.source_lba.value();
    segment.destination_lba = wire.destination_lba.value();
    return segment;
}

} // namespace

std::uint32_t max_copy_descriptors_size() { return max_descriptors_size; }
std::uint32_t max_copy_list_size() { return sizeof(ListHeader) + max_descriptors_size; }

Result<CopyList, Sense> decode_copy_list(Bytes list) {
    if (list.size() < sizeof(ListHeader)) {
        return illegal_request(Asc::parameter_list_length_error);
    }
    const auto header = from_bytes<ListHeader>(list);
    if (const std::optional<Sense> bad = check_header(header, list.size())) {
        return *bad;
    }
    CopyList result;
    result.list_identifier = header.list_identifier;
    result.usage = static_cast<ListIdUsage>((header.flags >> 3U) & 3U);
    std::size_t position = sizeof(ListHeader);
    const std::size_t segments_begin = position + header.cscd_list_length.value();
    for (; position < segments_begin; position += sizeof(CscdWire)) {
        Result<CscdDescriptor, Sense> cscd = decode_cscd(list.subspan(position), position);
        if (!cscd) {
            return cscd.error();
        }
        result.cscds.push_back(std::move(*cscd));
    }
    const std::size_t end = segments_begin + header.segment_list_length.value();
    for (; position < end; position += sizeof(SegmentWire)) {
        if (result.segments.size() == limits::copy_segments) {
            return at(Asc::too_many_segment_descriptors, position);
        }
        const Result<CopySegmentDescriptor, Sense> segment = decode_segment(list.first(end).subspan(position), position);
        if (!segment) {
            return segment.error();
        }
        result.segments.push_back(*segment);
    }
    return result;
}

} // namespace rootstock::scsi
