// VHD files, read only: fixed, dynamic and differencing ([VHD]; docs/formats/vhd.md).
#pragma once

#include "images/image_layer.hpp"

namespace rootstock::images {

/// Checks footer, header, locators and table before it gives the layer. Where the footer at the end is damaged, its copy counts.
[[nodiscard]] Result<std::unique_ptr<ImageLayer>> open_vhd_layer(std::unique_ptr<File> file);

} // namespace rootstock::images
