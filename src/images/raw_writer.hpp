// A raw image: the disk byte for byte, sparse.
#pragma once

#include "images/image_writer.hpp"

namespace rootstock::images {

class RawWriter final : public ImageWriter {
  public:
    RawWriter(File& file, const DiskShape& shape) : file_(file), shape_(shape) {}

    std::uint64_t needed_bytes(std::uint64_t data_blocks) const override { return data_blocks * writer_block_size; }
    Result<void> write_block(std::uint64_t offset, Bytes data) override { return file_.write_at(offset, data); }
    Result<void> finish() override { return file_.resize(shape_.size_bytes); }

  private:
    File& file_;
    DiskShape shape_;
};

} // namespace rootstock::images
