// The contents of a master as a few long extents in the order of the disk: what a BAT becomes when neighbours are merged. Pure, immutable.
#pragma once

#include "images/vhdx_image.hpp"

namespace rootstock::images {

/// `length` bytes of the disk from `disk_offset` on lie in the file from `file_offset` on.
struct MasterExtent {
    std::uint64_t disk_offset = 0;
    std::uint64_t length = 0;
    std::uint64_t file_offset = 0;
    [[nodiscard]] std::uint64_t disk_end() const { return disk_offset + length; }
    bool operator==(const MasterExtent&) const = default;
};

class MasterExtents {
  public:
    /// `entries`: the checked table of a disk without a parent. What is not in the file reads as zeros and is in no extent.
    [[nodiscard]] static Result<MasterExtents, VhdxError> flatten(std::span<const std::uint64_t> entries, const VhdxImage& image);

    /// What lies at `offset`: where in the file (or nothing: zeros), and for how many bytes, `length` at most.
    struct Piece {
        std::optional<std::uint64_t> file_offset;
        std::uint64_t length = 0;
    };
    [[nodiscard]] Piece at(std::uint64_t offset, std::uint64_t length) const;
    [[nodiscard]] const std::vector<MasterExtent>& all() const { return extents_; }

  private:
    std::vector<MasterExtent> extents_;
};

} // namespace rootstock::images
