// Growing a VHDX disk in its file: the virtual size is one metadata item ([MS-VHDX] 2.6.2.2), and changes through the log (2.3), so that a crash at any
// moment leaves the old size or the new one. The table (2.5) must have the room already: create_volume() reserves it.
#pragma once

#include "images/file.hpp"

namespace rootstock::images {

/// `path`: of a disk without a parent that nobody has open and no process left half done. The new part reads zeros. Durable when it returns; the same size
/// is fine and changes nothing. Refused: a smaller one, and one whose table does not fit.
[[nodiscard]] Result<void> grow_vhdx(FileSystem& files, const std::string& path, std::uint64_t size_bytes);

} // namespace rootstock::images
