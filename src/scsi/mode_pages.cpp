#include "scsi/mode_pages.hpp"

#include "core/wire_int.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace rootstock::scsi {
namespace {

constexpr std::uint8_t all_pages = 0x3f;
constexpr std::uint8_t all_subpages = 0xff;
constexpr std::uint8_t error_recovery_page = 0x01;
constexpr std::uint8_t caching_page = 0x08;
constexpr std::uint8_t control_page = 0x0a;
constexpr std::uint8_t descriptor_sense_bit = 0x04;       // D_SENSE, control page byte 2
constexpr std::uint8_t software_write_protect_bit = 0x08; // SWP, control page byte 4
constexpr std::uint8_t write_protected_flag = 0x80;       // device-specific parameter
constexpr std::uint8_t dpofua_flag = 0x10;
constexpr std::size_t longest_page = 20;
constexpr std::uint8_t capabilities_page = 0x2a;
constexpr std::uint8_t lock_state_bit = 0x02; // capabilities page byte 6
constexpr std::uint8_t on_disks = static_cast<std::uint8_t>(ModePageSet::disk);
constexpr std::uint8_t on_cdroms = static_cast<std::uint8_t>(ModePageSet::cdrom);

/// Code, page length and values with page code and length left out; the two masks say which bits MODE SELECT may change.
struct Page {
    std::uint8_t code;
    std::uint8_t sets; // ModePageSet, together
    std::uint8_t size; // with the two header bytes
    std::array<std::uint8_t, longest_page> defaults;
    std::array<std::uint8_t, longest_page> changeable;
};

constexpr std::array<Page, 4> pages{{
    {error_recovery_page, on_disks | on_cdroms, 12, {error_recovery_page, 10}, {error_recovery_page, 10}},
    // WCE: writes wait in the page cache until SYNCHRONIZE CACHE or FUA.
    {caching_page, on_disks, 20, {caching_page, 18, 0x04}, {caching_page, 18}},
    // QUEUE ALGORITHM MODIFIER 1: unrestricted reordering; BUSY TIMEOUT PERIOD unlimited.
    {control_page,
     on_disks | on_cdroms,
     12,
     {control_page, 10, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff},
     {control_page, 10, descriptor_sense_bit, 0x00, software_write_protect_bit}},
    // MMC-3 5.5.10: reads CD-R, CD-RW and DVD-ROM; a tray that locks and ejects; a buffer of 512 KB; 50 times the speed of a CD.
    {capabilities_page,
     on_cdroms,
     20,
     {capabilities_page, 18, 0x0b, 0x00, 0x00, 0x00, 0x29, 0x00, 0x22, 0x60, 0x00, 0x00, 0x02, 0x00, 0x22, 0x60},
     {capabilities_page, 18}},
}};

bool has_page(const ModeState& state, const Page& page) { return (page.sets & static_cast<std::uint8_t>(state.pages())) != 0; }

std::array<std::uint8_t, longest_page> current_values(const Page& page, const ModeState& state) {
    std::array<std::uint8_t, longest_page> values = page.defaults;
    if (page.code == control_page) {
        values[2] = static_cast<std::uint8_t>(values[2] | (state.descriptor_sense() ? descriptor_sense_bit : 0U));
        values[4] = static_cast<std::uint8_t>(values[4] | (state.software_write_protect() ? software_write_protect_bit : 0U));
    }
    return values;
}

void append_block_descriptor(ByteWriter& out, const ModeSense& request) {
    if (request.no_block_descriptor) {
        return;
    }
    if (request.long_lba) {
        out.write(be64(request.block_count));
        out.fill(4);
        out.write(be32(request.block_size));
        return;
    }
    out.write(be32(static_cast<std::uint32_t>(std::min<std::uint64_t>(request.block_count, 0xffffffffU))));
    out.byte(0);
    out.write(be24(request.block_size));
}

void append_header(ByteWriter& out, ModeHeader header, std::uint8_t flags, const ModeSense& request) {
    const std::uint8_t descriptor_length = request.no_block_descriptor ? 0 : (request.long_lba ? 16 : 8);
    if (header == ModeHeader::six) {
        out.fill(2); // length, patched at the end; medium type 0
        out.byte(flags);
        out.byte(descriptor_length);
        return;
    }
    out.fill(3);
    out.byte(flags);
    out.byte(request.long_lba && !request.no_block_descriptor ? 1 : 0);
    out.byte(0);
    out.write(be16(descriptor_length));
}

std::uint8_t device_specific_parameter(const ModeSense& request, const ModeState& state) {
    if (state.pages() == ModePageSet::cdrom) {
        return 0;
    }
    return static_cast<std::uint8_t>(dpofua_flag | (request.write_protected ? write_protected_flag : 0U));
}

struct Header {
    std::size_t size = 0;
    std::size_t descriptor_length = 0;
    bool long_lba = false;
};

/// The header of a MODE SELECT list (SPC-4 7.5.5). Its length field is reserved there.
Result<Header, Sense> read_header(Bytes list, ModeHeader kind) {
    Header header;
    header.size = kind == ModeHeader::six ? 4 : 8;
    if (list.size() < header.size) {
        return illegal_request(Asc::parameter_list_length_error);
    }
    header.descriptor_length = kind == ModeHeader::six ? list[3] : from_bytes<be16>(list.subspan(6)).value();
    header.long_lba = kind == ModeHeader::ten && (list[4] & 1U) != 0;
    if (header.descriptor_length > list.size() - header.size) {
        return illegal_request(Asc::parameter_list_length_error);
    }
    return header;
}

/// The block descriptor may only say what is so already.
std::optional<Sense> check_block_descriptor(Bytes descriptor, std::size_t position, bool long_lba, std::uint32_t block_size) {
    if (descriptor.empty()) {
        return std::nullopt;
    }
    if (descriptor.size() != (long_lba ? 16U : 8U)) {
        return invalid_field_in_parameter_list(static_cast<std::uint16_t>(position));
    }
    const std::uint32_t asked = long_lba ? from_bytes<be32>(descriptor.subspan(12)).value() : from_bytes<be24>(descriptor.subspan(5)).value();
    if (asked != 0 && asked != block_size) {
        return invalid_field_in_parameter_list(static_cast<std::uint16_t>(position + (long_lba ? 12U : 5U)));
    }
    return std::nullopt;
}

/// Nothing, when `values` changes only what is changeable.
std::optional<Sense> check_page(const Page& page, Bytes values, std::size_t position, const ModeState& state) {
    const auto current = current_values(page, state);
    for (std::size_t i = 2; i < page.size; ++i) {
        if (((values[i] ^ current[i]) & ~page.changeable[i]) != 0) {
            return invalid_field_in_parameter_list(static_cast<std::uint16_t>(position + i));
        }
    }
    return std::nullopt;
}

} // namespace

Result<ByteVector, Sense> mode_sense(const ModeSense& request, ModeHeader header, const ModeState& state) {
    if (request.control == PageControl::saved) {
        return illegal_request(Asc::saving_parameters_not_supported);
    }
    const bool known_subpage = request.subpage == 0 || (request.page == all_pages && request.subpage == all_subpages);
    if (!known_subpage) {
        return invalid_field_in_cdb(3);
    }
    ByteVector bytes;
    ByteWriter out(bytes);
    append_header(out, header, device_specific_parameter(request, state), request);
    append_block_descriptor(out, request);
    bool found = false;
    for (const Page& page : pages) {
        if (!has_page(state, page) || (request.page != all_pages && request.page != page.code)) {
            continue;
        }
        found = true;
        auto values = request.control == PageControl::changeable ? page.changeable
                      : request.control == PageControl::defaults ? page.defaults
                                                                 : current_values(page, state);
        if (page.code == capabilities_page && request.control == PageControl::current && request.removal_prevented) {
            values[6] = static_cast<std::uint8_t>(values[6] | lock_state_bit);
        }
        out.append(Bytes(values).first(page.size));
    }
    if (!found) {
        return invalid_field_in_cdb(2, 5);
    }
    if (header == ModeHeader::six) {
        bytes[0] = static_cast<std::uint8_t>(bytes.size() - 1);
    } else {
        out.patch(0, be16(static_cast<std::uint16_t>(bytes.size() - 2)));
    }
    return bytes;
}

Result<bool, Sense> mode_select(Bytes list, ModeHeader header, std::uint32_t block_size, ModeState& state) {
    const Result<Header, Sense> head = read_header(list, header);
    if (!head) {
        return head.error();
    }
    std::size_t position = head->size;
    if (auto bad = check_block_descriptor(list.subspan(position, head->descriptor_length), position, head->long_lba, block_size)) {
        return *bad;
    }
    position += head->descriptor_length;
    bool descriptor_sense = state.descriptor_sense();
    bool software_write_protect = state.software_write_protect();
    while (position < list.size()) {
        const Bytes rest = list.subspan(position);
        const auto* const page =
            std::find_if(pages.begin(), pages.end(), [&](const Page& each) { return each.code == rest[0] && has_page(state, each); });
        if (page == pages.end()) {
            return invalid_field_in_parameter_list(static_cast<std::uint16_t>(position));
        }
        if (rest.size() < page->size) {
            return illegal_request(Asc::parameter_list_length_error);
        }
        if (rest[1] != page->size - 2) {
            return invalid_field_in_parameter_list(static_cast<std::uint16_t>(position + 1));
        }
        if (auto bad = check_page(*page, rest, position, state)) {
            return *bad;
        }
        if (page->code == control_page) {
            descriptor_sense = (rest[2] & descriptor_sense_bit) != 0;
            software_write_protect = (rest[4] & software_write_protect_bit) != 0;
        }
        position += page->size;
    }
    const bool changed = descriptor_sense != state.descriptor_sense() || software_write_protect != state.software_write_protect();
    state.set(descriptor_sense, software_write_protect);
    return changed;
}

} // namespace rootstock::scsi
