// SwappableDisk: a disk in a file that may be exchanged while it is in use: for a larger one (a volume that grows), or for an empty child over it (a
// snapshot). What is inside is closed, and something else is opened; or it goes on over other files that hold the same (layers that were written anew). I/O
// waits for that moment and never fails because of it.
// Threads: as BlockDevice; exchange() blocks.
#pragma once

#include "images/io_gate.hpp"
#include "images/overlay.hpp"

namespace rootstock::images {

class SwappableDisk final : public Overlay {
  public:
    explicit SwappableDisk(std::shared_ptr<Overlay> disk);

    [[nodiscard]] block::Geometry geometry() const override;
    block::TryRead try_read(std::uint64_t offset, std::size_t length, bool mapping_allowed, block::ReadSink& sink) override;
    Result<void, block::IoError> read(std::uint64_t offset, MutableBytes out) override;
    block::TryWrite try_write(std::uint64_t offset, Bytes data) override;
    Result<void, block::IoError> write(std::uint64_t offset, Bytes data, bool fua) override;
    Result<void, block::IoError> flush() override;
    Result<void, block::IoError> discard(std::uint64_t offset, std::uint64_t length) override;
    Result<void, block::IoError> write_zeros(std::uint64_t offset, std::uint64_t length) override;
    [[nodiscard]] Extent extent(std::uint64_t offset, std::uint64_t length) override;

    Result<void> close() override;
    [[nodiscard]] std::optional<Guid> data_write_guid() override;
    [[nodiscard]] std::shared_ptr<Master> parent() override;
    bool stand_on(std::shared_ptr<Master> master) override;
    [[nodiscard]] std::uint64_t allocated_bytes() override;
    void charge_to(std::shared_ptr<SpaceAccount> account) override;
    void settle_account() override;
    Result<void> exchange(const Next& next) override;

  private:
    block::Geometry geometry_; // all but the size never changes
    std::atomic<std::uint64_t> size_bytes_;
    IoGate gate_;                   // whoever passes has disk_, account_; closed while they change
    std::shared_ptr<Overlay> disk_; // null: nothing could be opened
    std::shared_ptr<SpaceAccount> account_;
};

} // namespace rootstock::images
