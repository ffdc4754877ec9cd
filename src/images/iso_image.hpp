// An ISO image of the host as the medium of a CD-ROM: opened where it lies, read-only; never copied, written or removed. It begins with 16 blocks for a boot
// loader, then volume descriptors: of ISO 9660 (ECMA-119 section 7.1), or of UDF (ECMA-167 part 2 section 8.2).
// Threads: the functions block; the device is as BlockDevice says.
#pragma once

#include "images/overlay.hpp"

namespace rootstock::images {

/// What tells that a file has been changed.
struct IsoFacts {
    std::uint64_t size_bytes = 0;
    std::int64_t modified_ns = 0;
    bool operator==(const IsoFacts&) const = default;
};

/// Errors, one sentence each: a path that is not absolute, no such file, a size that is no multiple of 2048, and something else than an ISO image: the API must
/// not make every file of the host readable by iSCSI.
[[nodiscard]] Result<IsoFacts> inspect_iso(FileSystem& files, const std::string& path);

/// What there is to say when `path` is no longer what it was when it became `volume`; nothing when it is.
[[nodiscard]] Result<void> check_same_iso(const std::string& path, const IsoFacts& found, const IsoFacts& expected, const std::string& volume);

/// The medium of `volume`, when it is still as `expected`.
[[nodiscard]] Result<std::shared_ptr<Overlay>> open_iso(FileSystem& files, const std::string& path, const IsoFacts& expected, const std::string& volume);

} // namespace rootstock::images
