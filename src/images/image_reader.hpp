// ImageReader: a disk image of any native format, its differencing chain included, as one disk to be read: import, convert and check go through it.
// Never writes. Blocking; one thread at a time.
#pragma once

#include "images/image_layer.hpp"

#include <span>

namespace rootstock::images {

class ImageReader {
  public:
    /// Opens the file at `path` and all its parents. Refused, naming file and rule: damage, a parent that is not there or is another disk than the child
    /// was made on, a chain that comes back to itself or is longer than limits::chain_depth.
    [[nodiscard]] static Result<ImageReader> open(FileSystem& files, const std::string& path);
    /// A file that is known to be raw: what a guest wrote into its first sector must not make it an image of another format, with parents.
    [[nodiscard]] static Result<ImageReader> open_raw(FileSystem& files, const std::string& path);

    [[nodiscard]] const LayerFacts& facts() const { return layers_.front()->facts(); }
    [[nodiscard]] std::uint64_t size_bytes() const { return facts().size_bytes; }
    /// The file itself first, then its parents.
    [[nodiscard]] std::span<const std::unique_ptr<ImageLayer>> layers() const { return layers_; }

    /// Whether [offset, offset + length) holds data or is known to be zeros; the first part of it that is one or the other.
    struct Extent {
        std::uint64_t length = 0;
        bool data = false;
    };
    [[nodiscard]] Result<Extent> extent(std::uint64_t offset, std::uint64_t length);
    [[nodiscard]] Result<void> read(std::uint64_t offset, MutableBytes out);
    /// An error when one of the files was changed since it was opened: what was read may be of no moment in time.
    [[nodiscard]] Result<void> check_unchanged();

  private:
    /// A piece of the disk and the layer that has it; none: zeros.
    struct Found {
        ImageLayer* layer = nullptr;
        Piece piece;
    };
    [[nodiscard]] Result<Found> find(std::uint64_t offset, std::uint64_t length);
    [[nodiscard]] Result<void> add(std::unique_ptr<ImageLayer> layer);
    [[nodiscard]] Result<void> add_parent(FileSystem& files);

    std::vector<std::unique_ptr<ImageLayer>> layers_;
    std::vector<File::Stamp> stamps_; // of each layer's file
};

} // namespace rootstock::images
