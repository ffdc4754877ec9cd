// MemoryVolume: a volatile volume as the store hands it out: what is in memory stays there when it is closed, and ends with the process.
// Threads: as BlockDevice.
#pragma once

#include "block/memory_device.hpp"
#include "images/overlay.hpp"

namespace rootstock::images {

class MemoryVolume final : public Overlay {
  public:
    explicit MemoryVolume(std::shared_ptr<block::MemoryDevice> memory) : memory_(std::move(memory)) {}

    [[nodiscard]] block::Geometry geometry() const override { return memory_->geometry(); }
    block::TryRead try_read(std::uint64_t offset, std::size_t length, bool mapping_allowed, block::ReadSink& sink) override {
        return memory_->try_read(offset, length, mapping_allowed, sink);
    }
    Result<void, block::IoError> read(std::uint64_t offset, MutableBytes out) override { return memory_->read(offset, out); }
    block::TryWrite try_write(std::uint64_t offset, Bytes data) override { return memory_->try_write(offset, data); }
    Result<void, block::IoError> write(std::uint64_t offset, Bytes data, bool fua) override { return memory_->write(offset, data, fua); }
    Result<void, block::IoError> flush() override { return memory_->flush(); }
    Result<void, block::IoError> discard(std::uint64_t offset, std::uint64_t length) override { return memory_->discard(offset, length); }
    [[nodiscard]] Extent extent(std::uint64_t offset, std::uint64_t length) override { return memory_->extent(offset, length); }

    Result<void> close() override { return {}; }
    [[nodiscard]] std::uint64_t allocated_bytes() override { return memory_->allocated_bytes(); }
    void charge_to(std::shared_ptr<SpaceAccount>) override {} // the budget of all volatile volumes bounds it
    void settle_account() override {}

  private:
    std::shared_ptr<block::MemoryDevice> memory_;
};

} // namespace rootstock::images
