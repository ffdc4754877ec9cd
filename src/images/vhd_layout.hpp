// Every structure that lies in a VHD file, byte for byte ("Virtual Hard Disk Image Format Specification", Microsoft, version 1.0 of 2006; [VHD] below).
// Values only: no code that decides. All numbers are big-endian.
//
//   fixed                   data of the disk | footer
//   dynamic, differencing   copy of the footer | dynamic disk header | BAT | blocks: sector bitmap, data | footer
#pragma once

#include "core/bytes.hpp"
#include "core/guid.hpp"
#include "core/wire_int.hpp"

#include <array>

namespace rootstock::images::vhd {

inline constexpr std::uint64_t sector = 512;
inline constexpr std::size_t footer_size = 512;
inline constexpr std::size_t old_footer_size = 511; // of software before Virtual PC 2004
inline constexpr std::size_t dynamic_header_size = 1024;
inline constexpr std::uint32_t version_1_0 = 0x00010000;
inline constexpr std::uint64_t no_offset = ~std::uint64_t{0};
inline constexpr std::uint32_t unused_block = 0xffffffff;
inline constexpr std::uint32_t feature_reserved = 2; // always set
/// Seconds from 1970-01-01 to 2000-01-01, from which time stamps count.
inline constexpr std::int64_t epoch_unix_seconds = 946684800;

using Cookie = std::array<char, 8>;
inline constexpr Cookie footer_cookie{'c', 'o', 'n', 'e', 'c', 't', 'i', 'x'};
inline constexpr Cookie header_cookie{'c', 'x', 's', 'p', 'a', 'r', 's', 'e'};
using Code = std::array<char, 4>;

enum class DiskType : std::uint32_t { fixed = 2, dynamic = 3, differencing = 4 };

struct FooterRecord { // "Hard Disk Footer Format"; the checksum covers all of it
    Cookie cookie;
    be32 features;
    be32 file_format_version;
    be64 data_offset; // of the dynamic disk header
    be32 time_stamp;
    Code creator_application;
    be32 creator_version;
    Code creator_host_os;
    be64 original_size;
    be64 current_size;
    be16 cylinders;
    std::uint8_t heads;
    std::uint8_t sectors_per_track;
    be32 disk_type;
    be32 checksum;
    Guid unique_id;
    std::uint8_t saved_state;
    std::array<std::uint8_t, 427> reserved;
};
static_assert(sizeof(FooterRecord) == footer_size && std::is_trivially_copyable_v<FooterRecord>);

struct ParentLocatorRecord { // "Dynamic Disk Header Format", parent locator entries
    Code platform_code;
    be32 platform_data_space;
    be32 platform_data_length; // bytes
    be32 reserved;
    be64 platform_data_offset; // bytes from the start of the file
};
static_assert(sizeof(ParentLocatorRecord) == 24);
inline constexpr Code relative_path_code{'W', '2', 'r', 'u'}; // UTF-16LE
inline constexpr Code absolute_path_code{'W', '2', 'k', 'u'};

struct DynamicHeaderRecord { // "Dynamic Disk Header Format"; the checksum covers all of it
    Cookie cookie;
    be64 data_offset; // unused
    be64 table_offset;
    be32 header_version;
    be32 max_table_entries;
    be32 block_size;
    be32 checksum;
    Guid parent_unique_id;
    be32 parent_time_stamp;
    be32 reserved;
    std::array<std::uint8_t, 512> parent_unicode_name; // UTF-16BE
    std::array<ParentLocatorRecord, 8> parent_locators;
    std::array<std::uint8_t, 256> reserved2;
};
static_assert(sizeof(DynamicHeaderRecord) == dynamic_header_size && std::is_trivially_copyable_v<DynamicHeaderRecord>);

} // namespace rootstock::images::vhd
