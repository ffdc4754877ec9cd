// VHDX files, read only: fixed, dynamic and differencing, with sectors of 512 or 4096 bytes ([MS-VHDX]; docs/formats/vhdx.md). A log that has not
// been replayed is laid over what is read; the file never changes.
#pragma once

#include "images/image_layer.hpp"

namespace rootstock::images {

/// Checks everything that vhdx_image checks before it gives the layer.
[[nodiscard]] Result<std::unique_ptr<ImageLayer>> open_vhdx_layer(std::unique_ptr<File> file);

} // namespace rootstock::images
