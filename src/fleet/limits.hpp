// Every bound that a client could try to exceed by asking to boot under ever new addresses.
#pragma once

#include <chrono>
#include <cstddef>

namespace rootstock::fleet {

inline constexpr std::size_t machines_max = 16384;
inline constexpr std::size_t macs_per_machine_max = 16;
/// Older ones are forgotten: a PC that was replaced that long ago is an unknown machine again.
inline constexpr std::size_t retired_macs_per_machine_max = 64;

inline constexpr std::size_t unknown_machines_max = 1024;

/// Kept in memory and in the store. One machine cannot push out the boots of another, nor can PCs that belong to nobody.
inline constexpr std::size_t boots_per_machine_max = 32;
inline constexpr std::size_t boots_without_machine_max = 512;

/// Texts that come from the network (stage details, SMBIOS strings, reasons) are cut here.
inline constexpr std::size_t text_bytes_max = 200;

/// A PC that was silent for this long in the middle of a boot has begun another one.
inline constexpr std::chrono::minutes boot_silence_max{10};

/// Stages and unknown machines wait this long to be written together.
inline constexpr std::chrono::milliseconds lazy_write_delay{75};
/// After a failed write: the next attempt.
inline constexpr std::chrono::milliseconds lazy_write_retry{1000};

} // namespace rootstock::fleet
