#include "images/swappable_disk.hpp"

namespace rootstock::images {

using block::IoError;

SwappableDisk::SwappableDisk(std::shared_ptr<Overlay> disk)
    : geometry_(disk->geometry()), size_bytes_(geometry_.size_bytes), disk_(std::move(disk)) {}

std::shared_lock<std::shared_mutex> SwappableDisk::hold() {
    if (exchanging_.load(std::memory_order_acquire)) [[unlikely]] {
        const std::lock_guard wait(gate_);
    }
    return std::shared_lock(mutex_);
}

std::shared_lock<std::shared_mutex> SwappableDisk::try_hold() {
    if (exchanging_.load(std::memory_order_acquire)) [[unlikely]] {
        return {};
    }
    return {mutex_, std::try_to_lock};
}

block::Geometry SwappableDisk::geometry() const {
    block::Geometry geometry = geometry_;
    geometry.size_bytes = size_bytes_.load(std::memory_order_acquire);
    return geometry;
}

block::TryRead SwappableDisk::try_read(std::uint64_t offset, std::size_t length, bool mapping_allowed, block::ReadSink& sink) {
    const auto held = try_hold();
    return held && disk_ ? disk_->try_read(offset, length, mapping_allowed, sink) : block::TryRead{block::TryStatus::would_block, {}, {}};
}

Result<void, IoError> SwappableDisk::read(std::uint64_t offset, MutableBytes out) {
    const auto held = hold();
    return disk_ ? disk_->read(offset, out) : IoError::gone;
}

block::TryWrite SwappableDisk::try_write(std::uint64_t offset, Bytes data) {
    const auto held = try_hold();
    return held && disk_ ? disk_->try_write(offset, data) : block::TryWrite{block::TryStatus::would_block, {}};
}

Result<void, IoError> SwappableDisk::write(std::uint64_t offset, Bytes data, bool fua) {
    const auto held = hold();
    return disk_ ? disk_->write(offset, data, fua) : IoError::gone;
}

Result<void, IoError> SwappableDisk::flush() {
    const auto held = hold();
    return disk_ ? disk_->flush() : IoError::gone;
}

Result<void, IoError> SwappableDisk::discard(std::uint64_t offset, std::uint64_t length) {
    const auto held = hold();
    return disk_ ? disk_->discard(offset, length) : IoError::gone;
}

Result<void, IoError> SwappableDisk::write_zeros(std::uint64_t offset, std::uint64_t length) {
    const auto held = hold();
    return disk_ ? disk_->write_zeros(offset, length) : IoError::gone;
}

block::BlockDevice::Extent SwappableDisk::extent(std::uint64_t offset, std::uint64_t length) {
    const auto held = hold();
    return disk_ ? disk_->extent(offset, length) : Extent{length, true};
}

Result<void> SwappableDisk::close() {
    const auto held = hold();
    return disk_ ? disk_->close() : Result<void>();
}

std::uint64_t SwappableDisk::allocated_bytes() {
    const auto held = hold();
    return disk_ ? disk_->allocated_bytes() : 0;
}

void SwappableDisk::charge_to(std::shared_ptr<SpaceAccount> account) {
    const std::unique_lock alone(mutex_);
    account_ = std::move(account);
    if (disk_) {
        disk_->charge_to(account_);
    }
}

void SwappableDisk::settle_account() {
    const auto held = hold();
    if (disk_) {
        disk_->settle_account();
    }
}

Result<void> SwappableDisk::exchange(const Next& next) {
    const std::lock_guard gate(gate_);
    exchanging_.store(true, std::memory_order_release);
    const std::unique_lock alone(mutex_);
    Result<void> closed = disk_ ? disk_->close() : Result<void>();
    disk_.reset();
    Result<std::shared_ptr<Overlay>> opened = next(std::move(closed));
    if (opened) {
        disk_ = std::move(*opened);
        if (account_) {
            disk_->charge_to(account_);
        }
        size_bytes_.store(disk_->geometry().size_bytes, std::memory_order_release);
    }
    exchanging_.store(false, std::memory_order_release);
    return opened ? Result<void>() : Result<void>(opened.error());
}

} // namespace rootstock::images
