// Which format a disk image is in, by its contents: names lie. Raw is what is nothing else. What is compressed or in an archive is
// told too, so that it is not taken for a raw disk; nor is a file without a format's mark whose name says that format.
#pragma once

#include "images/file.hpp"

namespace rootstock::images {

enum class ImageFormat : std::uint8_t { raw, vhd, vhdx, qcow2, qed, vmdk, vdi, gzip, xz, zstd, bzip2, tar, zip };

/// "qcow2", "VHDX": as people and `qemu-img` documentation write it.
[[nodiscard]] std::string_view format_name(ImageFormat format);

/// Reads the first sectors and the last one. An error also where the name says VHDX, VHD, qcow2, ... and the content is of no format at all: a
/// damaged image taken for a raw disk would come out as garbage that looks like a success.
[[nodiscard]] Result<ImageFormat> probe_format(File& file);

} // namespace rootstock::images
