// Flat images: a raw file, and the data of a fixed VHD. Holes of the file are zeros that nobody needs to read.
#pragma once

#include "images/image_layer.hpp"

namespace rootstock::images {

/// The whole file is the disk. A size that is no multiple of 512 is padded with zeros to the next MiB, which every reader of any format takes.
[[nodiscard]] Result<std::unique_ptr<ImageLayer>> open_raw_layer(std::unique_ptr<File> file);

/// The first facts.size_bytes of the file are the disk; `data_size` of them are there, the rest are zeros.
[[nodiscard]] std::unique_ptr<ImageLayer> make_flat_layer(std::unique_ptr<File> file, LayerFacts facts, std::uint64_t data_size);

} // namespace rootstock::images
