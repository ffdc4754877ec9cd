// SparseAppender: a stream's bytes as a file without the blocks that are all zeros.
#pragma once

#include "images/file.hpp"

namespace rootstock::images {

class SparseAppender {
  public:
    /// `file`: empty, and open for as long as this object.
    explicit SparseAppender(File& file) : file_(file) { pending_.reserve(block); }

    [[nodiscard]] Result<void> append(Bytes data);
    /// The rest is written, and the file has its size.
    [[nodiscard]] Result<void> finish();
    /// What is not zeros, so far.
    [[nodiscard]] std::uint64_t stored_bytes() const { return stored_; }
    [[nodiscard]] std::uint64_t size() const { return offset_ + pending_.size(); }

  private:
    static constexpr std::size_t block = std::size_t{256} << 10U; // of zeros, it becomes a hole
    [[nodiscard]] Result<void> flush();

    File& file_;
    ByteVector pending_; // of one block
    std::uint64_t offset_ = 0; // where it belongs
    std::uint64_t stored_ = 0;
};

} // namespace rootstock::images
