// ImageLayer: one file of a disk image, whatever its format: what it says of itself, and where the bytes of the disk lie in it. A chain of them is an
// ImageReader. Opening has checked everything that could lead a reader astray. Blocking; one thread at a time (layers keep the bits of one block).
#pragma once

#include "core/guid.hpp"
#include "images/pieces.hpp"
#include "images/probe.hpp"

#include <span>

namespace rootstock::images {

/// What a differencing disk knows of its parent.
struct ParentLink {
    std::vector<Guid> identities;   // the parent's identity is one of these
    std::vector<std::string> paths; // as they stand in the file, most of them Windows' way, in the order to try
    std::string_view rule;          // what is broken when the identity differs, with its section
};

struct LayerFacts {
    ImageFormat format = ImageFormat::raw;
    std::string_view kind = "flat"; // "fixed", "dynamic", "differencing"
    std::uint64_t size_bytes = 0;   // of the disk
    std::uint32_t logical_sector_size = 512;
    std::uint32_t physical_sector_size = 4096;
    Guid identity;                  // what a child names it by
    std::optional<ParentLink> parent;
    std::vector<std::string> problems; // damage that reading survives: a structure whose other copy was used
    std::vector<std::string> notes;    // what is sound, and worth knowing
};

class ImageLayer {
  public:
    virtual ~ImageLayer() = default;

    [[nodiscard]] virtual const LayerFacts& facts() const = 0;
    [[nodiscard]] virtual File& file() = 0;
    /// Where the disk's bytes at `offset` lie, for at most `length` bytes; the range is within the disk. Without a parent never PieceSource::parent.
    [[nodiscard]] virtual Result<Piece> locate(std::uint64_t offset, std::uint64_t length) = 0;
    /// Bytes of a piece of this layer's own.
    [[nodiscard]] virtual Result<void> read_own(std::uint64_t file_offset, MutableBytes out) = 0;
};

/// Opens one file by its contents. A format that is not read natively is an error (errc::not_supported).
[[nodiscard]] Result<std::unique_ptr<ImageLayer>> open_image_layer(FileSystem& files, const std::string& path);

/// Whether `parent`, the file at `path`, is the disk that the one at `child_path` was made on.
[[nodiscard]] Result<void> check_is_parent(const std::string& child_path, const LayerFacts& child, const std::string& path, const LayerFacts& parent);

using ImageLayers = std::span<const std::unique_ptr<ImageLayer>>; // a disk's own first, then what each stands on

/// A piece of a disk and the layer that has it. Its source is `parent` where none of the layers says anything about it.
struct ChainPiece {
    std::size_t layer = 0; // of an own piece
    Piece piece;
};
/// Where the bytes at `offset` lie, for at most `length`; the range is within the first layer's disk.
[[nodiscard]] Result<ChainPiece> locate_in_chain(ImageLayers layers, std::uint64_t offset, std::uint64_t length);

} // namespace rootstock::images
