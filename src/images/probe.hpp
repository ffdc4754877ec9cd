// Which format a disk image is in, by its contents alone: names lie. Raw is what is nothing else.
#pragma once

#include "images/file.hpp"

namespace rootstock::images {

enum class ImageFormat : std::uint8_t { raw, vhd, vhdx, qcow2, qed, vmdk, vdi };

/// "qcow2", "VHDX": as people and `qemu-img` documentation write it.
[[nodiscard]] std::string_view format_name(ImageFormat format);

/// Reads the first sectors and the last one.
[[nodiscard]] Result<ImageFormat> probe_format(File& file);

} // namespace rootstock::images
