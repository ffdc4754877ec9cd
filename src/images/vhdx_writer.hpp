// New VHDX files filled in the order of the disk: masters, and what is exported ([MS-VHDX] 2.1; vhdx_create.hpp has the layout). Dynamic ones hold
// the blocks that hold data, one behind the other; fixed ones all, zeros as holes of the file.
#pragma once

#include "core/random.hpp"
#include "images/image_writer.hpp"
#include "images/master.hpp"
#include "images/vhdx_create.hpp"

namespace rootstock::images {

enum class VhdxKind : std::uint8_t { dynamic, fixed };

class VhdxWriter final : public ImageWriter {
  public:
    VhdxWriter(File& file, const DiskShape& shape, VhdxKind kind, Random& random);

    std::uint64_t needed_bytes(std::uint64_t data_blocks) const override { return plan_.payload_offset + data_blocks * writer_block_size; }
    Result<void> write_block(std::uint64_t offset, Bytes data) override;
    Result<void> finish() override;

    /// Of the finished file.
    [[nodiscard]] MasterIdentity identity() const { return {header_.data_write_guid, metadata_.virtual_disk_size, payload_end_}; }

  private:
    [[nodiscard]] Result<void> write_table();

    File& file_;
    VhdxKind kind_;
    VhdxMetadata metadata_;
    VhdxHeader header_;
    VhdxPlan plan_;
    std::vector<le64> table_; // up to the last block that was written
    std::uint64_t payload_end_;
};

} // namespace rootstock::images
