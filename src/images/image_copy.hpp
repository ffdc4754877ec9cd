// Copies a disk image into a new one of another format: what import, convert and export share. Blocking.
#pragma once

#include "images/image_reader.hpp"
#include "images/image_writer.hpp"

#include <chrono>
#include <functional>

namespace rootstock::images {

struct ImportProgress {
    std::uint64_t done_bytes = 0;   // of the source's virtual size
    std::uint64_t total_bytes = 0;
    std::uint64_t stored_bytes = 0; // data written so far; zeros are not stored
};

/// Called a few times a second at most; false cancels (errc::operation_canceled).
using ProgressCallback = std::function<bool(const ImportProgress&)>;

/// Refuses when `directory` has no room for what `writer` will need of `reader`'s data: first by what the source occupies; only where that does not fit
/// its zeros are worth looking for.
[[nodiscard]] Result<void> check_space(FileSystem& files, const std::string& directory, ImageReader& reader, const ImageWriter& writer);

/// Every block with data goes to `writer`, which is finished then. A source that was changed meanwhile is an error. `target`: the writer's file, told to
/// write out while the copy goes on; may be null.
[[nodiscard]] Result<void> copy_image(ImageReader& reader, ImageWriter& writer, File* target, const ProgressCallback& progress);

[[nodiscard]] inline DiskShape shape_of(const LayerFacts& facts) { return {facts.size_bytes, facts.logical_sector_size, facts.physical_sector_size}; }

/// Between two reports.
inline constexpr std::chrono::milliseconds progress_interval{250};

[[nodiscard]] Error cancelled(const std::string& what); // "the import of a.img"
[[nodiscard]] Error no_room(std::uint64_t needed, const std::string& directory, std::uint64_t free);

} // namespace rootstock::images
