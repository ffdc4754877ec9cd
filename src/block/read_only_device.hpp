// ReadOnlyDevice: the same bytes, never changed. Wraps any device; every write fails with IoError::read_only.
// Threads: as the wrapped device.
#pragma once

#include "block/block_device.hpp"

#include <memory>

namespace rootstock::block {

class ReadOnlyDevice final : public BlockDevice {
  public:
    explicit ReadOnlyDevice(std::shared_ptr<BlockDevice> device) : device_(std::move(device)) {}

    [[nodiscard]] Geometry geometry() const override {
        Geometry geometry = device_->geometry();
        geometry.read_only = true;
        return geometry;
    }
    TryRead try_read(std::uint64_t offset, std::size_t length, bool mapping_allowed, ReadSink& sink) override {
        return device_->try_read(offset, length, mapping_allowed, sink);
    }
    Result<void, IoError> read(std::uint64_t offset, MutableBytes out) override { return device_->read(offset, out); }
    TryWrite try_write(std::uint64_t, Bytes) override { return {TryStatus::failed, IoError::read_only}; }
    Result<void, IoError> write(std::uint64_t, Bytes, bool) override { return IoError::read_only; }
    Result<void, IoError> flush() override { return {}; }
    Result<void, IoError> discard(std::uint64_t, std::uint64_t) override { return IoError::read_only; }
    [[nodiscard]] Extent extent(std::uint64_t offset, std::uint64_t length) override { return device_->extent(offset, length); }

  private:
    std::shared_ptr<BlockDevice> device_;
};

} // namespace rootstock::block
