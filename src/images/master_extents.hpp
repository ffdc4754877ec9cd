// The contents of a master as extents in the order of the disk: what the tables and bitmaps of its chain become when they are laid over one another and
// neighbours are merged. An imported master has a handful. Pure once built, immutable.
#pragma once

#include "images/image_layer.hpp"

namespace rootstock::images {

/// `length` bytes of the disk from `disk_offset` on lie in file number `file` of the chain from `file_offset` on.
struct MasterExtent {
    std::uint64_t disk_offset = 0;
    std::uint64_t length = 0;
    std::uint64_t file_offset = 0;
    std::size_t file = 0;
    [[nodiscard]] std::uint64_t disk_end() const { return disk_offset + length; }
    bool operator==(const MasterExtent&) const = default;
};

class MasterExtents {
  public:
    /// The chain is whole: its last layer has no parent. What is in no file reads as zeros and is in no extent.
    [[nodiscard]] static Result<MasterExtents> flatten(ImageLayers layers);

    /// What lies at `offset`: where in which file (or nothing: zeros), and for how many bytes, `length` at most.
    struct Piece {
        std::optional<std::uint64_t> file_offset;
        std::uint64_t length = 0;
        std::size_t file = 0;
    };
    [[nodiscard]] Piece at(std::uint64_t offset, std::uint64_t length) const;
    [[nodiscard]] const std::vector<MasterExtent>& all() const { return extents_; }

  private:
    [[nodiscard]] bool add(const MasterExtent& extent);
    void index(std::uint64_t size_bytes);

    std::vector<MasterExtent> extents_;
    std::vector<std::uint32_t> first_in_step_; // of each stretch of the disk: the first extent that ends behind its start
    unsigned step_shift_ = 0;
};

} // namespace rootstock::images
