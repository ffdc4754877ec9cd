// Images that came compressed (debian-12.raw.xz, haos.qcow2.xz): unpacked into a temporary file by gzip, xz, zstd or bzip2, each a process of its own, so
// that what a hostile file does to a decompressor it does not do to the server. Blocking.
#pragma once

#include "images/image_copy.hpp"
#include "images/pending_file.hpp"

namespace rootstock::images {

/// Whether it is no disk image but holds one: compressed, or an archive.
[[nodiscard]] bool is_packed(ImageFormat format);

/// What `packed`, compressed, has in it, as a sparse file at `temporary`. Nobody knows its size before: `progress` has no total, and it ends with an error
/// while limits::free_kept bytes are still free. An archive is refused: which of its files it should be, nobody said.
[[nodiscard]] Result<PendingFile> unpack(FileSystem& files, File& packed, ImageFormat format, const std::string& temporary, const ProgressCallback& progress);

/// A sentence that says what to do with it where it is not unpacked.
[[nodiscard]] Error is_packed_error(const std::string& path, ImageFormat format);

} // namespace rootstock::images
