// VhdxError: which rule of [MS-VHDX] v20240423 a file breaks. Codecs return it; the edges turn it into an Error that names file and rule.
#pragma once

#include "core/error.hpp"

#include <cstdint>
#include <string_view>

namespace rootstock::images {

enum class VhdxError : std::uint8_t {
    truncated,
    not_vhdx,
    header_none_valid,
    header_same_sequence,
    header_version,
    header_log_placement,
    region_table_none_valid,
    region_entry_count,
    region_placement,
    region_overlap,
    region_beyond_end,
    region_twice,
    region_unknown_required,
    region_missing,
    metadata_signature,
    metadata_too_large,
    metadata_entry_count,
    metadata_placement,
    metadata_overlap,
    metadata_twice,
    metadata_unknown_required,
    metadata_missing,
    metadata_item_size,
    block_size,
    sector_size,
    virtual_size,
    parent_locator,
    parent_locator_type,
    parent_locator_missing,
    bat_too_small,
    bat_too_large,
    bat_state,
    bat_reserved_bits,
    bat_placement,
    bat_overlap,
    bat_bitmap_missing,
    bat_partial_without_parent,
    log_version,
    log_too_large,
    log_no_valid_sequence,
    log_file_truncated,
    log_outside_file,
};

/// The rule in words, with its section: "the header's checksum ... ([MS-VHDX] 2.2.2)".
[[nodiscard]] std::string_view vhdx_rule(VhdxError error);

/// "`path` is damaged or no VHDX file: <rule>. <remedy>", with errc::illegal_byte_sequence.
[[nodiscard]] Error vhdx_failure(std::string_view path, VhdxError error);

} // namespace rootstock::images
