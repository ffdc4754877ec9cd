// VhdError: which rule of [VHD] (vhd_layout.hpp) a file breaks. Codecs return it; the edges turn it into an Error that names file and rule.
#pragma once

#include "core/error.hpp"

#include <cstdint>
#include <string_view>

namespace rootstock::images {

enum class VhdError : std::uint8_t {
    footer_none_valid,
    footer_version,
    disk_type,
    virtual_size,
    fixed_too_short,
    header_placement,
    header_invalid,
    header_version,
    block_size,
    table_placement,
    table_too_small,
    table_too_large,
    block_placement,
    block_overlap,
    parent_name_missing,
    parent_locator,
};

/// The rule in words, with the part of the specification that has it.
[[nodiscard]] std::string_view vhd_rule(VhdError error);

/// "`path` is damaged or no VHD file: <rule>; restore it from a copy", with errc::illegal_byte_sequence.
[[nodiscard]] Error vhd_failure(std::string_view path, VhdError error);

} // namespace rootstock::images
