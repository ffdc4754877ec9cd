#include "images/vhd_dynamic_header.hpp"

#include "core/checked.hpp"
#include "core/unicode.hpp"
#include "images/vhd_footer.hpp"

#include <algorithm>
#include <bit>

namespace rootstock::images {
namespace {

using namespace vhd;

/// UTF-16BE up to the first NUL. What is no text is no name: the locators are what counts.
std::string name_of(const std::array<std::uint8_t, 512>& raw) {
    ByteVector text;
    for (std::size_t at = 0; at + 1 < raw.size() && (raw[at] != 0 || raw[at + 1] != 0); at += 2) {
        text.push_back(raw[at + 1]);
        text.push_back(raw[at]);
    }
    return utf8_from_utf16le(text).value_or("");
}

} // namespace

std::uint64_t VhdDynamicHeader::bitmap_size() const { return round_up<std::uint64_t>(block_size / sector / 8, sector); }

Result<VhdDynamicHeader, VhdError> decode_vhd_dynamic_header(Bytes record) {
    if (record.size() != dynamic_header_size) {
        return VhdError::header_invalid;
    }
    const auto raw = from_bytes<DynamicHeaderRecord>(record);
    if (raw.cookie != header_cookie || raw.checksum != vhd_checksum(record, vhd_header_checksum_offset)) {
        return VhdError::header_invalid;
    }
    if (raw.header_version >> 16U != version_1_0 >> 16U) {
        return VhdError::header_version;
    }
    VhdDynamicHeader header{raw.table_offset, raw.max_table_entries, raw.block_size, raw.parent_unique_id, name_of(raw.parent_unicode_name), {}};
    if (!std::has_single_bit(header.block_size) || header.block_size < 4096 || header.block_size > (256U << 20U)) {
        return VhdError::block_size;
    }
    for (const ParentLocatorRecord& locator : raw.parent_locators) {
        if (locator.platform_code != Code{} && locator.platform_data_length != 0) {
            header.locators.push_back({locator.platform_code, locator.platform_data_length, locator.platform_data_offset});
        }
    }
    return header;
}

ByteVector encode_vhd_dynamic_header(const VhdDynamicHeader& header) {
    DynamicHeaderRecord raw{};
    raw.cookie = header_cookie;
    raw.data_offset = no_offset;
    raw.table_offset = header.table_offset;
    raw.header_version = version_1_0;
    raw.max_table_entries = header.max_table_entries;
    raw.block_size = header.block_size;
    raw.checksum = vhd_checksum(object_bytes(raw), vhd_header_checksum_offset);
    const Bytes bytes = object_bytes(raw);
    return {bytes.begin(), bytes.end()};
}

} // namespace rootstock::images
