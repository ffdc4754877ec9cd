#include "images/swappable_disk.hpp"

namespace rootstock::images {

using block::IoError;

SwappableDisk::SwappableDisk(std::shared_ptr<Overlay> disk)
    : geometry_(disk->geometry()), size_bytes_(geometry_.size_bytes), disk_(std::move(disk)) {}

block::Geometry SwappableDisk::geometry() const {
    block::Geometry geometry = geometry_;
    geometry.size_bytes = size_bytes_.load(std::memory_order_acquire);
    return geometry;
}

block::TryRead SwappableDisk::try_read(std::uint64_t offset, std::size_t length, bool mapping_allowed, block::ReadSink& sink) {
    const IoGate::Pass held = gate_.try_pass();
    return held && disk_ ? disk_->try_read(offset, length, mapping_allowed, sink) : block::TryRead{block::TryStatus::would_block, {}, {}};
}

Result<void, IoError> SwappableDisk::read(std::uint64_t offset, MutableBytes out) {
    const IoGate::Pass held = gate_.pass();
    return disk_ ? disk_->read(offset, out) : IoError::gone;
}

block::TryWrite SwappableDisk::try_write(std::uint64_t offset, Bytes data) {
    const IoGate::Pass held = gate_.try_pass();
    return held && disk_ ? disk_->try_write(offset, data) : block::TryWrite{block::TryStatus::would_block, {}};
}

Result<void, IoError> SwappableDisk::write(std::uint64_t offset, Bytes data, bool fua) {
    const IoGate::Pass held = gate_.pass();
    return disk_ ? disk_->write(offset, data, fua) : IoError::gone;
}

Result<void, IoError> SwappableDisk::flush() {
    const IoGate::Pass held = gate_.pass();
    return disk_ ? disk_->flush() : IoError::gone;
}

Result<void, IoError> SwappableDisk::discard(std::uint64_t offset, std::uint64_t length) {
    const IoGate::Pass held = gate_.pass();
    return disk_ ? disk_->discard(offset, length) : IoError::gone;
}

Result<void, IoError> SwappableDisk::write_zeros(std::uint64_t offset, std::uint64_t length) {
    const IoGate::Pass held = gate_.pass();
    return disk_ ? disk_->write_zeros(offset, length) : IoError::gone;
}

block::BlockDevice::Extent SwappableDisk::extent(std::uint64_t offset, std::uint64_t length) {
    const IoGate::Pass held = gate_.pass();
    return disk_ ? disk_->extent(offset, length) : Extent{length, true};
}

Result<void> SwappableDisk::close() {
    const IoGate::Pass held = gate_.pass();
    return disk_ ? disk_->close() : Result<void>();
}

std::optional<Guid> SwappableDisk::data_write_guid() {
    const IoGate::Pass held = gate_.pass();
    return disk_ ? disk_->data_write_guid() : std::nullopt;
}

std::shared_ptr<Master> SwappableDisk::parent() {
    const IoGate::Pass held = gate_.pass();
    return disk_ ? disk_->parent() : nullptr;
}

bool SwappableDisk::stand_on(std::shared_ptr<Master> master) {
    const IoGate::Closed alone(gate_);
    return disk_ && disk_->stand_on(std::move(master));
}

std::uint64_t SwappableDisk::allocated_bytes() {
    const IoGate::Pass held = gate_.pass();
    return disk_ ? disk_->allocated_bytes() : 0;
}

void SwappableDisk::charge_to(std::shared_ptr<SpaceAccount> account) {
    const IoGate::Closed alone(gate_);
    account_ = std::move(account);
    if (disk_) {
        disk_->charge_to(account_);
    }
}

void SwappableDisk::settle_account() {
    const IoGate::Pass held = gate_.pass();
    if (disk_) {
        disk_->settle_account();
    }
}

Result<void> SwappableDisk::exchange(const Next& next) {
    const IoGate::Closed alone(gate_);
    Result<void> closed = disk_ ? disk_->suspend() : Result<void>();
    disk_.reset();
    Result<std::shared_ptr<Overlay>> opened = next(std::move(closed));
    if (opened) {
        disk_ = std::move(*opened);
        if (account_) {
            disk_->charge_to(account_);
        }
        size_bytes_.store(disk_->geometry().size_bytes, std::memory_order_release);
    }
    return opened ? Result<void>() : Result<void>(opened.error());
}

} // namespace rootstock::images
