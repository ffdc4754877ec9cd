// Which format a disk image is in, by its contents alone: names lie. Raw is what is nothing else. What is compressed or in an
// archive is told too, so that it is not taken for a raw disk.
#pragma once

#include "images/file.hpp"

namespace rootstock::images {

enum class ImageFormat : std::uint8_t { raw, vhd, vhdx, qcow2, qed, vmdk, vdi, gzip, xz, zstd, bzip2, tar, zip };

/// "qcow2", "VHDX": as people and `qemu-img` documentation write it.
[[nodiscard]] std::string_view format_name(ImageFormat format);

/// Reads the first sectors and the last one.
[[nodiscard]] Result<ImageFormat> probe_format(File& file);

} // namespace rootstock::images
