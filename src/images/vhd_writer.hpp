// New VHD files ([VHD]): fixed, and dynamic with blocks of 2 MiB in the order of the disk.
//
//   dynamic:  copy of the footer | dynamic disk header | BAT | blocks: sector bitmap (all ones), data | footer
#pragma once

#include "core/clock.hpp"
#include "core/random.hpp"
#include "images/image_writer.hpp"
#include "images/vhd_footer.hpp"

namespace rootstock::images {

/// 2040 GiB: what Windows takes ([VHD] Overview).
inline constexpr std::uint64_t vhd_most_bytes = std::uint64_t{2040} << 30U;

class VhdFixedWriter final : public ImageWriter {
  public:
    VhdFixedWriter(File& file, const DiskShape& shape, Random& random, const Clock& clock);

    std::uint64_t needed_bytes(std::uint64_t data_blocks) const override { return data_blocks * writer_block_size + vhd::footer_size; }
    Result<void> write_block(std::uint64_t offset, Bytes data) override { return file_.write_at(offset, data); }
    Result<void> finish() override;

  private:
    File& file_;
    VhdFooter footer_;
};

class VhdDynamicWriter final : public ImageWriter {
  public:
    VhdDynamicWriter(File& file, const DiskShape& shape, Random& random, const Clock& clock);

    std::uint64_t needed_bytes(std::uint64_t data_blocks) const override;
    Result<void> write_block(std::uint64_t offset, Bytes data) override;
    Result<void> finish() override;

  private:
    [[nodiscard]] Result<void> write_front();

    File& file_;
    VhdFooter footer_;
    std::vector<be32> table_; // one entry for each block
    std::uint64_t end_;       // of what has been written
};

} // namespace rootstock::images
