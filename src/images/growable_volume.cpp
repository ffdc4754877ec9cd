#include "images/growable_volume.hpp"

namespace rootstock::images {

using block::IoError;

GrowableVolume::GrowableVolume(FileSystem& files, std::string path, std::shared_ptr<Overlay> disk)
    : files_(files), path_(std::move(path)), geometry_(disk->geometry()), size_bytes_(geometry_.size_bytes), disk_(std::move(disk)) {}

std::shared_lock<std::shared_mutex> GrowableVolume::hold() {
    if (growing_.load(std::memory_order_acquire)) [[unlikely]] {
        const std::lock_guard wait(gate_);
    }
    return std::shared_lock(mutex_);
}

std::shared_lock<std::shared_mutex> GrowableVolume::try_hold() {
    if (growing_.load(std::memory_order_acquire)) [[unlikely]] {
        return {};
    }
    return {mutex_, std::try_to_lock};
}

block::Geometry GrowableVolume::geometry() const {
    block::Geometry geometry = geometry_;
    geometry.size_bytes = size_bytes_.load(std::memory_order_acquire);
    return geometry;
}

block::TryRead GrowableVolume::try_read(std::uint64_t offset, std::size_t length, bool mapping_allowed, block::ReadSink& sink) {
    const auto held = try_hold();
    return held && disk_ ? disk_->try_read(offset, length, mapping_allowed, sink) : block::TryRead{block::TryStatus::would_block, {}, {}};
}

Result<void, IoError> GrowableVolume::read(std::uint64_t offset, MutableBytes out) {
    const auto held = hold();
    return disk_ ? disk_->read(offset, out) : IoError::gone;
}

block::TryWrite GrowableVolume::try_write(std::uint64_t offset, Bytes data) {
    const auto held = try_hold();
    return held && disk_ ? disk_->try_write(offset, data) : block::TryWrite{block::TryStatus::would_block, {}};
}

Result<void, IoError> GrowableVolume::write(std::uint64_t offset, Bytes data, bool fua) {
    const auto held = hold();
    return disk_ ? disk_->write(offset, data, fua) : IoError::gone;
}

Result<void, IoError> GrowableVolume::flush() {
    const auto held = hold();
    return disk_ ? disk_->flush() : IoError::gone;
}

Result<void, IoError> GrowableVolume::discard(std::uint64_t offset, std::uint64_t length) {
    const auto held = hold();
    return disk_ ? disk_->discard(offset, length) : IoError::gone;
}

Result<void, IoError> GrowableVolume::write_zeros(std::uint64_t offset, std::uint64_t length) {
    const auto held = hold();
    return disk_ ? disk_->write_zeros(offset, length) : IoError::gone;
}

block::BlockDevice::Extent GrowableVolume::extent(std::uint64_t offset, std::uint64_t length) {
    const auto held = hold();
    return disk_ ? disk_->extent(offset, length) : Extent{length, true};
}

Result<void> GrowableVolume::close() {
    const auto held = hold();
    return disk_ ? disk_->close() : Result<void>();
}

std::uint64_t GrowableVolume::allocated_bytes() {
    const auto held = hold();
    return disk_ ? disk_->allocated_bytes() : 0;
}

void GrowableVolume::charge_to(std::shared_ptr<SpaceAccount> account) {
    const std::unique_lock alone(mutex_);
    account_ = std::move(account);
    if (disk_) {
        disk_->charge_to(account_);
    }
}

void GrowableVolume::settle_account() {
    const auto held = hold();
    if (disk_) {
        disk_->settle_account();
    }
}

Result<void> GrowableVolume::grow_to(std::uint64_t size_bytes) {
    const std::lock_guard gate(gate_);
    growing_.store(true, std::memory_order_release);
    const std::unique_lock alone(mutex_);
    Result<void> grown = disk_ ? disk_->close() : Result<void>();
    disk_.reset();
    if (grown) {
        grown = grow_volume(files_, path_, size_bytes);
    }
    // Whatever went wrong: its sessions go on with what there is. One that did not close is repaired by opening it.
    Result<std::shared_ptr<Overlay>> again = open_volume(files_, path_);
    if (again) {
        disk_ = std::move(*again);
        if (account_) {
            disk_->charge_to(account_);
        }
        size_bytes_.store(disk_->geometry().size_bytes, std::memory_order_release);
    } else if (grown) {
        grown = again.error();
    }
    growing_.store(false, std::memory_order_release);
    return grown;
}

} // namespace rootstock::images
