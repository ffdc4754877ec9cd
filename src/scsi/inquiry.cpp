#include "scsi/inquiry.hpp"

#include "core/digest.hpp"
#include "core/text.hpp"
#include "core/wire_int.hpp"
#include "scsi/copy_list.hpp"
#include "scsi/device_server.hpp"
#include "scsi/limits.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace rootstock::scsi {
namespace {

/// SPC-4 table 145 and annex D: SAM-5, SPC-4, the unit's own, iSCSI; no version claimed.
constexpr std::uint16_t sam_5 = 0x00a0;
constexpr std::uint16_t spc_4 = 0x0460;
constexpr std::uint16_t sbc_3 = 0x04c0;
constexpr std::uint16_t mmc_6 = 0x04e0;
constexpr std::uint16_t iscsi_standard = 0x0960;

constexpr std::uint8_t code_set_binary = 1;
constexpr std::uint8_t code_set_ascii = 2;
constexpr std::uint8_t for_target_port = 0x90; // PIV, association 01b
enum class DesignatorType : std::uint8_t { t10_vendor_id = 1, naa = 3, relative_target_port = 4, target_port_group = 5 };

void append_padded(ByteWriter& out, std::string_view text, std::size_t width) {
    const std::string_view kept = text.substr(0, width);
    out.append(kept);
    out.fill(width - kept.size(), ' ');
}

void append_designator(ByteWriter& out, std::uint8_t protocol_and_code_set, std::uint8_t association, DesignatorType type, Bytes value) {
    out.byte(protocol_and_code_set);
    out.byte(static_cast<std::uint8_t>(association | static_cast<std::uint8_t>(type)));
    out.byte(0);
    out.byte(static_cast<std::uint8_t>(value.size()));
    out.append(value);
}

/// 7.8.6 Device Identification: three names of the unit, two of the port it was asked through.
void device_identification(ByteWriter& out, const Identity& identity, std::uint16_t relative_target_port) {
    constexpr std::uint8_t iscsi = 0x50; // PROTOCOL IDENTIFIER 5h
    append_designator(out, code_set_binary, 0, DesignatorType::naa, identity.naa);
    ByteVector vendor_id;
    ByteWriter vendor_out(vendor_id);
    append_padded(vendor_out, identity.vendor, 8);
    vendor_out.append(identity.serial);
    append_designator(out, code_set_ascii, 0, DesignatorType::t10_vendor_id, vendor_id);
    struct {
        be16 reserved{0};
        be16 number;
    } port;
    port.number = relative_target_port;
    append_designator(out, iscsi | code_set_binary, for_target_port, DesignatorType::relative_target_port, object_bytes(std::as_const(port)));
    append_designator(out, iscsi | code_set_binary, for_target_port, DesignatorType::target_port_group, object_bytes(std::as_const(port)));
}

/// SPC-4 7.8.17 Third-party Copy: what RECEIVE COPY OPERATING PARAMETERS says, and which commands there are.
void third_party_copy(ByteWriter& out, const Shape& shape) {
    enum class Descriptor : std::uint16_t {
        supported_commands = 0x0001,
        parameter_data = 0x0004,
        supported_descriptors = 0x0008,
        supported_cscd_ids = 0x000c,
        general_copy_operations = 0x8001,
    };
    const auto begin = [&](Descriptor type, std::uint16_t length) {
        out.write(be16(static_cast<std::uint16_t>(type)));
        out.write(be16(length));
    };
    begin(Descriptor::supported_commands, 12);
    constexpr std::array<std::uint8_t, 9> commands{8, 0x83, 1, 0x00, 0x84, 3, 0x00, 0x03, 0x04};
    out.append(commands);
    out.fill(3); // a descriptor is a multiple of four
    begin(Descriptor::parameter_data, 28);
    out.fill(4);
    out.write(be16(limits::copy_cscds));
    out.write(be16(limits::copy_segments));
    out.write(be32(max_copy_descriptors_size()));
    out.fill(16); // no inline data
    begin(Descriptor::supported_descriptors, 4);
    constexpr std::array<std::uint8_t, 4> descriptors{2, block_to_block_segment, identification_cscd, 0};
    out.append(descriptors);
    begin(Descriptor::supported_cscd_ids, 4);
    out.write(be16(2));
    out.write(be16(own_cscd_id));
    begin(Descriptor::general_copy_operations, 32);
    out.write(be32(limits::concurrent_copies));
    out.write(be32(limits::concurrent_copies));
    out.write(be32(static_cast<std::uint32_t>(limits::copy_segment_bytes)));
    out.byte(static_cast<std::uint8_t>(std::countr_zero(shape.block_size))); // DATA SEGMENT GRANULARITY
    out.fill(19);
}

/// SBC-3 6.6.3 Block Limits.
void block_limits(ByteWriter& out, const Shape& shape) {
    const std::uint32_t physical_blocks = std::max(shape.physical_block_size / shape.block_size, 1U);
    const std::uint32_t discard_blocks = shape.blocks(shape.discard_granularity);
    out.byte(1); // WSNZ: WRITE SAME of 0 blocks ("to the end") is refused, for it has no bound
    out.byte(static_cast<std::uint8_t>(limits::compare_and_write_blocks));
    out.write(be16(static_cast<std::uint16_t>(physical_blocks))); // OPTIMAL TRANSFER LENGTH GRANULARITY
    out.write(be32(shape.blocks(limits::transfer_bytes)));
    out.write(be32(shape.blocks(limits::optimal_transfer_bytes)));
    out.write(be32(shape.blocks(limits::prefetch_bytes)));
    out.write(be32(shape.blocks(limits::unmap_bytes)));
    out.write(be32(limits::unmap_descriptors));
    out.write(be32(discard_blocks));                           // OPTIMAL UNMAP GRANULARITY
    out.write(be32(shape.thin() ? 0x80000000U : 0U));          // UGAVALID, alignment 0
    out.write(be64(shape.blocks(limits::write_same_bytes)));
    out.fill(20);
}

/// SBC-3 6.6.2 Block Device Characteristics: no rotation.
void block_device_characteristics(ByteWriter& out) {
    out.write(be16(1));
    out.fill(58);
}

/// SBC-3 6.6.4 Logical Block Provisioning.
void logical_block_provisioning(ByteWriter& out, const Shape& shape) {
    constexpr std::uint8_t unmap_and_write_same = 0xe0; // LBPU, LBPWS, LBPWS10
    constexpr std::uint8_t reads_zeros = 0x04;          // LBPRZ
    constexpr std::uint8_t thin = 0x02;                 // PROVISIONING TYPE
    out.byte(0);
    out.byte(shape.thin() ? unmap_and_write_same | reads_zeros : 0);
    out.byte(shape.thin() ? thin : 0);
    out.byte(0);
}

constexpr std::array<std::uint8_t, 3> cdrom_pages{0x00, 0x80, 0x83};
constexpr std::array<std::uint8_t, 7> disk_pages{0x00, 0x80, 0x83, 0x8f, 0xb0, 0xb1, 0xb2}; // ascending

} // namespace

ByteVector standard_inquiry(const UnitKind& kind, const Identity& identity) {
    const bool is_disk = kind.peripheral == Peripheral::disk;
    ByteVector bytes;
    bytes.reserve(96);
    ByteWriter out(bytes);
    out.byte(static_cast<std::uint8_t>(kind.peripheral));
    out.byte(kind.removable ? 0x80 : 0); // RMB
    out.byte(0x06); // SPC-4
    out.byte(0x12); // HISUP, response data format 2
    out.byte(96 - 5);
    out.byte(is_disk ? 0x18 : 0x10); // TPGS: implicit; 3PC
    out.byte(0x10); // MULTIP
    out.byte(0x02); // CMDQUE
    append_padded(out, identity.vendor, 8);
    append_padded(out, identity.product, 16);
    append_padded(out, identity.revision, 4);
    out.fill(22);
    for (const std::uint16_t version : {sam_5, spc_4, kind.peripheral == Peripheral::cdrom ? mmc_6 : sbc_3, iscsi_standard}) {
        out.write(be16(version));
    }
    out.fill(96 - bytes.size());
    return bytes;
}

Result<ByteVector, Sense> vital_product_data(std::uint8_t page, const UnitKind& kind, const Identity& identity, const Shape& shape,
                                             std::uint16_t relative_target_port) {
    const Bytes pages = kind.peripheral == Peripheral::cdrom ? Bytes(cdrom_pages) : Bytes(disk_pages);
    if (std::find(pages.begin(), pages.end(), page) == pages.end()) {
        return invalid_field_in_cdb(2);
    }
    ByteVector bytes;
    ByteWriter out(bytes);
    out.byte(static_cast<std::uint8_t>(kind.peripheral));
    out.byte(page);
    out.write(be16(0));
    switch (page) {
    case 0x00: out.append(pages); break;
    case 0x80: out.append(identity.serial); break;
    case 0x83: device_identification(out, identity, relative_target_port); break;
    case 0x8f: third_party_copy(out, shape); break;
    case 0xb0: block_limits(out, shape); break;
    case 0xb1: block_device_characteristics(out); break;
    case 0xb2: logical_block_provisioning(out, shape); break;
    default: break;
    }
    out.patch(2, be16(static_cast<std::uint16_t>(bytes.size() - 4)));
    return bytes;
}

Identity identity_from_name(std::string_view stable_name) {
    const ByteVector digest = hash(HashAlgorithm::sha256, {as_bytes("rootstock scsi identity\n"), as_bytes(stable_name)});
    Identity identity;
    identity.serial = hex(Bytes(digest).first(10));
    std::copy_n(digest.begin() + 10, identity.naa.size(), identity.naa.begin());
    // NAA 6, then a company id with the "locally administered" bit, which no vendor owns: 52-53-54.
    constexpr std::array<std::uint8_t, 4> prefix{0x65, 0x25, 0x35, 0x40};
    std::copy_n(prefix.begin(), 3, identity.naa.begin());
    identity.naa[3] = static_cast<std::uint8_t>(prefix[3] | (identity.naa[3] & 0x0fU));
    return identity;
}

} // namespace rootstock::scsi
