#include "scsi/sense.hpp"

#include "core/wire_int.hpp"

#include <limits>

namespace rootstock::scsi {
namespace {

constexpr std::uint8_t current_fixed = 0x70;
constexpr std::uint8_t current_descriptor = 0x72;
constexpr std::uint8_t information_descriptor = 0x00;
constexpr std::uint8_t command_specific_descriptor = 0x01;
constexpr std::uint8_t sense_key_specific_descriptor = 0x02;

/// The three sense-key-specific bytes: SKSV, C/D, BPV and bit pointer, then the field pointer.
void write_field_pointer(ByteWriter& out, const FieldPointer& field) {
    std::uint8_t flags = 0x80;
    if (field.in_cdb) {
        flags |= 0x40;
    }
    if (field.bit) {
        flags = static_cast<std::uint8_t>(flags | 0x08U | (*field.bit & 0x07U));
    }
    out.byte(flags);
    out.write(be16(field.byte));
}

ByteVector encode_fixed(const Sense& sense) {
    ByteVector bytes;
    bytes.reserve(18);
    ByteWriter out(bytes);
    // The field has four bytes: a larger value cannot be told and VALID stays 0.
    const bool valid = sense.information && *sense.information <= std::numeric_limits<std::uint32_t>::max();
    out.byte(static_cast<std::uint8_t>(current_fixed | (valid ? 0x80U : 0U)));
    out.byte(0);
    out.byte(static_cast<std::uint8_t>(sense.key));
    out.write(be32(valid ? static_cast<std::uint32_t>(*sense.information) : 0U));
    out.byte(10); // ADDITIONAL SENSE LENGTH
    out.write(be32(static_cast<std::uint32_t>(sense.command_specific.value_or(0))));
    out.write(be16(static_cast<std::uint16_t>(sense.asc)));
    out.byte(0);
    if (sense.field) {
        write_field_pointer(out, *sense.field);
    } else {
        out.fill(3);
    }
    return bytes;
}

ByteVector encode_descriptor(const Sense& sense) {
    ByteVector bytes;
    bytes.reserve(40);
    ByteWriter out(bytes);
    out.byte(current_descriptor);
    out.byte(static_cast<std::uint8_t>(sense.key));
    out.write(be16(static_cast<std::uint16_t>(sense.asc)));
    out.fill(4);
    if (sense.information) {
        out.byte(information_descriptor);
        out.byte(10);
        out.byte(0x80); // VALID
        out.byte(0);
        out.write(be64(*sense.information));
    }
    if (sense.command_specific) {
        out.byte(command_specific_descriptor);
        out.byte(10);
        out.fill(2);
        out.write(be64(*sense.command_specific));
    }
    if (sense.field) {
        out.byte(sense_key_specific_descriptor);
        out.byte(6);
        out.fill(2);
        write_field_pointer(out, *sense.field);
        out.byte(0);
    }
    bytes[7] = static_cast<std::uint8_t>(bytes.size() - 8);
    return bytes;
}

} // namespace

Sense illegal_request(Asc asc) { return {SenseKey::illegal_request, asc, {}, {}}; }

Sense invalid_field_in_cdb(std::uint16_t byte, std::optional<std::uint8_t> bit) {
    return {SenseKey::illegal_request, Asc::invalid_field_in_cdb, FieldPointer{true, byte, bit}, {}};
}

Sense invalid_field_in_parameter_list(std::uint16_t byte, std::optional<std::uint8_t> bit) {
    return {SenseKey::illegal_request, Asc::invalid_field_in_parameter_list, FieldPointer{false, byte, bit}, {}};
}

Sense sense_of(block::IoError error, bool writing) {
    switch (error) {
    case block::IoError::out_of_range: return illegal_request(Asc::lba_out_of_range);
    case block::IoError::read_only: return {SenseKey::data_protect, Asc::write_protected, {}, {}};
    case block::IoError::no_space:
    case block::IoError::quota: return {SenseKey::data_protect, Asc::space_allocation_failed_write_protect, {}, {}};
    case block::IoError::medium:
        return {SenseKey::medium_error, writing ? Asc::write_error : Asc::unrecovered_read_error, {}, {}};
    case block::IoError::miscompare: return {SenseKey::miscompare, Asc::miscompare_during_verify, {}, {}};
    case block::IoError::gone: return {SenseKey::not_ready, Asc::logical_unit_not_ready, {}, {}};
    }
    return {SenseKey::hardware_error, Asc::internal_target_failure, {}, {}};
}

ByteVector encode(const Sense& sense, SenseFormat format) {
    return format == SenseFormat::fixed ? encode_fixed(sense) : encode_descriptor(sense);
}

} // namespace rootstock::scsi
