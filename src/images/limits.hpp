// Every bound that a disk image could try to exceed. A file beyond one of them is refused with its name; nothing here is reached by sound images.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace rootstock::images::limits {

inline constexpr std::uint64_t virtual_size = std::uint64_t{64} << 40U;         // [MS-VHDX] 2.6.2.2: 64 TiB
inline constexpr std::uint32_t log_bytes = std::uint32_t{64} << 20U;            // read into memory as a whole at replay
inline constexpr std::uint32_t metadata_region_bytes = std::uint32_t{16} << 20U; // read into memory as a whole; real ones are 1 MiB
inline constexpr std::uint64_t bat_bytes = std::uint64_t{257} << 20U;            // 64 TiB in blocks of 2 MiB
inline constexpr std::uint32_t parent_locator_entries = 64;                      // four keys are defined
inline constexpr std::uint32_t vhd_table_entries = std::uint32_t{4} << 20U;      // 2 TiB in blocks of 512 KiB, the smallest that Windows makes
inline constexpr std::uint32_t vhd_locator_bytes = std::uint32_t{64} << 10U;     // a path has 32767 characters at most
inline constexpr std::size_t chain_depth = 64;                                  // files of a differencing chain
inline constexpr std::size_t flatten_depth = 16;                                // longer chains are shortened by the server itself
inline constexpr std::uint64_t volatile_bytes = std::uint64_t{1} << 30U;         // held by all volatile volumes, where nobody says otherwise
inline constexpr std::uint64_t volatile_volume_size = std::uint64_t{1} << 40U;   // 128 MiB of pointers to its chunks
inline constexpr std::size_t master_extents = std::size_t{4} << 20U;            // 96 MiB of map; an imported master has a handful
inline constexpr std::uint64_t free_kept = std::uint64_t{1} << 30U;               // for the disks in use, while an image of unknown size is unpacked
inline constexpr std::size_t trace_blocks = 16384;                              // of 2 MiB, of one boot trace: 32 GiB of a disk; 2 MiB of memory while recording
inline constexpr std::uint64_t warm_memory_part = 2;                             // all that is kept warm takes one part of so many of the host's memory
inline constexpr std::chrono::hours mapping_kept{3};                              // for what sessions may have been handed of it: longer than [limits] lets them wait for a peer
inline constexpr std::size_t releases_kept = 32;                                 // of one image that are over: its history
inline constexpr std::size_t release_machines = 1024;                            // named by one release

} // namespace rootstock::images::limits
