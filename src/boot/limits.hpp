// Every bound that a PC could try to exceed while it boots.
#pragma once

#include "iscsi/limits.hpp"

#include <chrono>
#include <cstddef>

namespace rootstock::boot {

/// PCs that are remembered between the packets of their boot; the one that was silent longest goes
/// first.
inline constexpr std::size_t clients_max = 4096;
/// A PC that fetched our loader asks for its script within this time, or it was switched off.
inline constexpr std::chrono::seconds loader_to_script_max{120};
/// A ROM that was sent to our loader this often in that time and never got to a script is given the
/// script itself: better booted by the ROM than not.
inline constexpr unsigned loader_attempts_max = 3;

/// Files of the folder that overrides the embedded loaders.
inline constexpr std::size_t override_files_max = 32;
inline constexpr std::size_t override_file_bytes_max = 32 << 20;

/// The server holds the request of a waiting PC this long; the PC itself gives up later
/// (script.cpp: chain --timeout).
inline constexpr std::chrono::seconds wait_hold{25};

/// Before a disk changes hands (newer boot, reset, removal) its sessions get this long to end. A PC
/// that was switched off never answers the request to log out: its session ends only after logout_time.
inline constexpr std::chrono::seconds session_end_max =
    iscsi::Limits{}.logout_time + std::chrono::seconds(2);
/// A disk without a session is closed after this long; not at once, because the sessions of a boot
/// come and go.
inline constexpr std::chrono::seconds idle_disk_close{60};

/// A boot that had its disk and then showed nothing for this long has failed, where boots are counted.
inline constexpr std::chrono::minutes boot_patience{10};
/// How often releases are looked at when nothing has happened: a time comes, a silent boot fails.
inline constexpr std::chrono::seconds release_look{5};
/// A release that was not taken back in this time is not watched any more.
inline constexpr std::chrono::hours watch_time{7 * 24};

} // namespace rootstock::boot
