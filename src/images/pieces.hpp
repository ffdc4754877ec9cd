// Pieces: a read cut into stretches by where the bytes come from (the overlay's file, the parent, nowhere), and the reading of them. What both kinds
// of overlay share. Thread-safe: no state.
#pragma once

#include "block/block_device.hpp"
#include "images/file.hpp"

#include <boost/container/small_vector.hpp>

namespace rootstock::images {

enum class PieceSource : std::uint8_t { own, parent, zeros };

struct Piece {
    PieceSource source{};
    std::uint64_t offset = 0;      // on the disk
    std::uint64_t length = 0;
    std::uint64_t file_offset = 0; // own: where in the overlay's file
    bool operator==(const Piece&) const = default;
};

/// In order, without gaps; neighbours that continue one another are one piece.
class PieceList {
  public:
    void add(const Piece& piece);
    void clear() { pieces_.clear(); }
    [[nodiscard]] auto begin() const { return pieces_.begin(); }
    [[nodiscard]] auto end() const { return pieces_.end(); }
    [[nodiscard]] std::size_t size() const { return pieces_.size(); }
    [[nodiscard]] const Piece& operator[](std::size_t index) const { return pieces_[index]; }

  private:
    boost::container::small_vector<Piece, 24> pieces_; // a 64 KiB read of a well-mixed block; more go to the heap
};

/// `parent` null: its pieces read as zeros (a volume).
[[nodiscard]] block::TryRead try_read_pieces(const PieceList& pieces, File& file, block::BlockDevice* parent, bool mapping_allowed,
                                             block::ReadSink& sink);
[[nodiscard]] Result<void, block::IoError> read_pieces(const PieceList& pieces, File& file, block::BlockDevice* parent, MutableBytes out);

} // namespace rootstock::images
