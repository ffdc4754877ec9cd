// Every structure that lies in a VHDX file, byte for byte ([MS-VHDX] v20240423 chapter 2). Values only: no code that decides.
//
//   0        file type identifier        64 KiB
//   64 KiB   header 1                    128 KiB  header 2
//   192 KiB  region table 1              256 KiB  region table 2
//   1 MiB    log, metadata, BAT, sector bitmap blocks, payload blocks: each at a multiple of 1 MiB, in any order
#pragma once

#include "core/bytes.hpp"
#include "core/guid.hpp"
#include "core/wire_int.hpp"

#include <array>

namespace rootstock::images::vhdx {

inline constexpr std::uint64_t kib = 1024;
inline constexpr std::uint64_t mib = 1024 * kib;

// 2.2 header section
inline constexpr std::uint64_t header_section_size = mib;
inline constexpr std::uint64_t file_identifier_offset = 0;
inline constexpr std::array<std::uint64_t, 2> header_offsets{64 * kib, 128 * kib};
inline constexpr std::array<std::uint64_t, 2> region_table_offsets{192 * kib, 256 * kib};
inline constexpr std::size_t header_size = 4096;
inline constexpr std::size_t region_table_size = 65536;
inline constexpr std::uint64_t alignment = mib; // of regions, log and blocks

using Signature4 = std::array<char, 4>;
using Signature8 = std::array<char, 8>;
inline constexpr Signature8 file_signature{'v', 'h', 'd', 'x', 'f', 'i', 'l', 'e'};
inline constexpr Signature4 header_signature{'h', 'e', 'a', 'd'};
inline constexpr Signature4 region_signature{'r', 'e', 'g', 'i'};
inline constexpr Signature8 metadata_signature{'m', 'e', 't', 'a', 'd', 'a', 't', 'a'};
inline constexpr Signature4 log_entry_signature{'l', 'o', 'g', 'e'};
inline constexpr Signature4 zero_descriptor_signature{'z', 'e', 'r', 'o'};
inline constexpr Signature4 data_descriptor_signature{'d', 'e', 's', 'c'};
inline constexpr Signature4 data_sector_signature{'d', 'a', 't', 'a'};

struct FileIdentifier { // 2.2.1
    Signature8 signature;
    std::array<std::uint8_t, 512> creator; // UTF-16LE, for people only
};
static_assert(sizeof(FileIdentifier) == 520);

struct HeaderRecord { // 2.2.2; the checksum covers the whole 4 KiB
    Signature4 signature;
    le32 checksum;
    le64 sequence_number;
    Guid file_write_guid;
    Guid data_write_guid;
    Guid log_guid;
    le16 log_version;
    le16 version;
    le32 log_length;
    le64 log_offset;
    std::array<std::uint8_t, 4016> reserved;
};
static_assert(sizeof(HeaderRecord) == header_size && std::is_trivially_copyable_v<HeaderRecord>);

struct RegionTableHeader { // 2.2.3.1; the checksum covers the whole 64 KiB
    Signature4 signature;
    le32 checksum;
    le32 entry_count;
    le32 reserved;
};
static_assert(sizeof(RegionTableHeader) == 16);

struct RegionTableEntry { // 2.2.3.2
    Guid guid;
    le64 file_offset;
    le32 length;
    le32 flags; // bit 0: required
};
static_assert(sizeof(RegionTableEntry) == 32);
inline constexpr std::uint32_t region_required = 1;
inline constexpr std::uint32_t max_table_entries = 2047; // of region and metadata tables alike

struct MetadataTableHeader { // 2.6.1.1
    Signature8 signature;
    le16 reserved;
    le16 entry_count;
    std::array<std::uint8_t, 20> reserved2;
};
static_assert(sizeof(MetadataTableHeader) == 32);

struct MetadataTableEntry { // 2.6.1.2
    Guid item_id;
    le32 offset; // from the start of the region; at least 64 KiB
    le32 length;
    le32 flags;
    le32 reserved;
};
static_assert(sizeof(MetadataTableEntry) == 32);
inline constexpr std::size_t metadata_table_size = 65536;
inline constexpr std::uint32_t metadata_is_user = 1;
inline constexpr std::uint32_t metadata_is_virtual_disk = 2;
inline constexpr std::uint32_t metadata_is_required = 4;
inline constexpr std::uint32_t max_metadata_item = 1024 * 1024;

struct FileParameters { // 2.6.2.1
    le32 block_size;
    le32 flags;
};
static_assert(sizeof(FileParameters) == 8);
inline constexpr std::uint32_t leave_block_allocated = 1;
inline constexpr std::uint32_t has_parent = 2;

struct ParentLocatorHeader { // 2.6.2.6.1
    Guid locator_type;
    le16 reserved;
    le16 key_value_count;
};
static_assert(sizeof(ParentLocatorHeader) == 20);

struct ParentLocatorEntry { // 2.6.2.6.2; offsets from the start of the item
    le32 key_offset;
    le32 value_offset;
    le16 key_length;
    le16 value_length;
};
static_assert(sizeof(ParentLocatorEntry) == 12);

struct LogEntryHeader { // 2.3.1.1; the checksum covers the whole entry
    Signature4 signature;
    le32 checksum;
    le32 entry_length;
    le32 tail;
    le64 sequence_number;
    le32 descriptor_count;
    le32 reserved;
    Guid log_guid;
    le64 flushed_file_offset;
    le64 last_file_offset;
};
static_assert(sizeof(LogEntryHeader) == 64);

struct ZeroDescriptor { // 2.3.1.2
    Signature4 signature;
    le32 reserved;
    le64 zero_length;
    le64 file_offset;
    le64 sequence_number;
};
struct DataDescriptor { // 2.3.1.3; first and last bytes of the page stand here, their places in the sector carry the sequence number
    Signature4 signature;
    std::array<std::uint8_t, 4> trailing_bytes;
    std::array<std::uint8_t, 8> leading_bytes;
    le64 file_offset;
    le64 sequence_number;
};
struct DataSector { // 2.3.1.4
    Signature4 signature;
    le32 sequence_high;
    std::array<std::uint8_t, 4084> data;
    le32 sequence_low;
};
inline constexpr std::size_t log_sector_size = 4096;
inline constexpr std::size_t descriptor_size = 32;
static_assert(sizeof(ZeroDescriptor) == descriptor_size && sizeof(DataDescriptor) == descriptor_size &&
              sizeof(DataSector) == log_sector_size);

// GUIDs, as they lie in the file (first three fields little-endian).
[[nodiscard]] constexpr Guid make_guid(std::uint32_t a, std::uint16_t b, std::uint16_t c, std::array<std::uint8_t, 8> d) {
    const auto byte = [](std::uint32_t value, unsigned shift) { return static_cast<std::uint8_t>(value >> shift); };
    return Guid{{byte(a, 0), byte(a, 8), byte(a, 16), byte(a, 24), byte(b, 0), byte(b, 8), byte(c, 0), byte(c, 8), d[0], d[1], d[2], d[3],
                 d[4], d[5], d[6], d[7]}};
}
inline constexpr Guid bat_region = make_guid(0x2DC27766, 0xF623, 0x4200, {0x9D, 0x64, 0x11, 0x5E, 0x9B, 0xFD, 0x4A, 0x08});
inline constexpr Guid metadata_region = make_guid(0x8B7CA206, 0x4790, 0x4B9A, {0xB8, 0xFE, 0x57, 0x5F, 0x05, 0x0F, 0x88, 0x6E});
inline constexpr Guid file_parameters_item = make_guid(0xCAA16737, 0xFA36, 0x4D43, {0xB3, 0xB6, 0x33, 0xF0, 0xAA, 0x44, 0xE7, 0x6B});
inline constexpr Guid virtual_disk_size_item = make_guid(0x2FA54224, 0xCD1B, 0x4876, {0xB2, 0x11, 0x5D, 0xBE, 0xD8, 0x3B, 0xF4, 0xB8});
inline constexpr Guid virtual_disk_id_item = make_guid(0xBECA12AB, 0xB2E6, 0x4523, {0x93, 0xEF, 0xC3, 0x09, 0xE0, 0x00, 0xC7, 0x46});
inline constexpr Guid logical_sector_size_item = make_guid(0x8141BF1D, 0xA96F, 0x4709, {0xBA, 0x47, 0xF2, 0x33, 0xA8, 0xFA, 0xAB, 0x5F});
inline constexpr Guid physical_sector_size_item = make_guid(0xCDA348C7, 0x445D, 0x4471, {0x9C, 0xC9, 0xE9, 0x88, 0x52, 0x51, 0xC5, 0x56});
inline constexpr Guid parent_locator_item = make_guid(0xA8D35F2D, 0xB30B, 0x454D, {0xAB, 0xF7, 0xD3, 0xD8, 0x48, 0x34, 0xAB, 0x0C});
inline constexpr Guid vhdx_parent_locator_type = make_guid(0xB04AEFB7, 0xD19E, 0x4A81, {0xB7, 0x89, 0x25, 0xB8, 0xE9, 0x44, 0x59, 0x13});

} // namespace rootstock::images::vhdx
