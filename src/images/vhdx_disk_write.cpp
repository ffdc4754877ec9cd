#include "images/io_error.hpp"
#include "images/vhdx_disk.hpp"

namespace rootstock::images {

using block::IoError;
using block::TryStatus;
using block::TryWrite;

namespace {

constexpr std::uint64_t page_cache_page = 4096;
constexpr std::size_t changes_per_write = 2; // a place for the block, and its sectors
constexpr std::size_t pages_per_write = 2;   // one of the table, one of bits

/// Calls visit(offset, length) for the part of the range in each block, until one returns false.
template <class Visit> void for_each_block_part(std::uint64_t offset, std::uint64_t length, std::uint64_t block_size, Visit&& visit) {
    for (const std::uint64_t end = offset + length; offset < end;) {
        const std::uint64_t count = std::min(end - offset, block_size - offset % block_size);
        if (!visit(offset, count)) {
            return;
        }
        offset += count;
    }
}

} // namespace

VhdxDisk::Target VhdxDisk::target_at(std::uint64_t offset, std::uint64_t length, Fill fill) const {
    const BatGeometry& geometry = parts_.map->geometry();
    Target target;
    target.block = offset / geometry.block_size();
    target.first = offset % geometry.block_size() / geometry.sector_size();
    target.count = length / geometry.sector_size();
    target.fill = fill;
    return target;
}

bool VhdxDisk::has_room(std::size_t changes, std::size_t pages) const {
    const std::size_t writers = publishing_;
    return parts_.live->room() >= changes + writers * changes_per_write &&
           parts_.map->dirty_count() + pages + writers * pages_per_write <= dirty_page_limit;
}

/// Under the lock. Need::nothing: the I/O may start, and must end with finish().
VhdxDisk::Need VhdxDisk::prepare(Target& target) {
    if (closed_) {
        return Need::closed;
    }
    if (parts_.map->missing_page(target.block)) {
        return Need::bitmap_page;
    }
    const std::uint64_t new_sectors = parts_.map->missing_sectors(target.block, target.first, target.count);
    target.publishes = new_sectors != 0;
    if (target.publishes) {
        target.new_bytes = target.fill == Fill::hole ? 0 : new_sectors * parts_.map->geometry().sector_size();
        if (target.new_bytes != 0 && !account_->may_take(target.new_bytes)) {
            return Need::quota;
        }
        if (!has_room(changes_per_write, pages_per_write)) {
            return Need::flush;
        }
    }
    const PayloadEntry entry = parts_.map->state_of(target.block);
    if (entry.in_file()) {
        target.file_offset = entry.file_offset;
    } else if (const Need need = reserve(target); need != Need::nothing) {
        return need;
    }
    publishing_ += target.publishes ? 1 : 0;
    target.ticket = parts_.slots->enter();
    return Need::nothing;
}

VhdxDisk::Need VhdxDisk::reserve(Target& target) {
    std::shared_ptr<Reservation>& reservation = reservations_[target.block];
    if (!reservation) {
        const std::optional<std::uint64_t> place = parts_.slots->take();
        if (!place) {
            reservations_.erase(target.block);
            return Need::growth;
        }
        reservation = std::make_shared<Reservation>(Reservation{*place, 0, false});
    }
    ++reservation->users;
    target.reservation = reservation;
    target.file_offset = reservation->file_offset;
    return Need::nothing;
}

Result<void> VhdxDisk::grow() {
    std::lock_guard growing(growth_mutex_);
    std::uint64_t size = 0;
    {
        std::lock_guard lock(mutex_);
        if (parts_.slots->used_end() + parts_.map->geometry().block_size() <= parts_.slots->file_size()) {
            return {}; // another writer has grown it
        }
        size = parts_.slots->grown_size();
    }
    if (Result<void> grown = parts_.file->resize(size); !grown) {
        return grown;
    }
    std::lock_guard lock(mutex_);
    parts_.slots->set_file_size(size);
    return {};
}

/// Off the lock, blocking: what prepare() asked for.
Result<void, IoError> VhdxDisk::satisfy(Need need, const Target& target) {
    Result<void> done;
    switch (need) {
    case Need::nothing: break;
    case Need::closed: return IoError::gone;
    case Need::quota: return make_room(target.new_bytes);
    case Need::flush: return combiner_.run();
    case Need::growth: done = grow(); break;
    case Need::bitmap_page: {
        std::unique_lock lock(mutex_);
        const std::optional<std::size_t> page = parts_.map->missing_page(target.block);
        lock.unlock();
        if (page) {
            done = parts_.file->allocate(parts_.map->page_offset(*page), metadata_page_size); // a flush must find space for it
            done = done ? load_page(*page) : done;
        }
        break;
    }
    }
    if (!done) {
        return failure(done.error());
    }
    return {};
}

/// A limit was met: holes that the account does not know of yet may make room.
Result<void, IoError> VhdxDisk::make_room(std::uint64_t new_bytes) {
    settle_account();
    std::lock_guard lock(mutex_);
    if (const std::optional<SpaceScope> obstacle = account_->obstacle(new_bytes)) {
        account_->note_refusal(*obstacle);
        return IoError::quota;
    }
    return {};
}

Result<void> VhdxDisk::fill(const Target& target, Bytes data) {
    const std::uint64_t sector_size = parts_.map->geometry().sector_size();
    const std::uint64_t offset = target.file_offset + target.first * sector_size;
    Result<void> filled;
    switch (target.fill) {
    case Fill::data: filled = parts_.file->write_at(offset, data); break;
    case Fill::durable_data: filled = parts_.file->write_durable_at(offset, data); break;
    case Fill::hole: filled = parts_.file->punch_hole(offset, target.count * sector_size); break;
    }
    data_dirty_.store(true, std::memory_order_release); // after the write: a flush that clears it covers the data
    return filled;
}

void VhdxDisk::finish(const Target& target, bool filled) {
    if (!target.publishes) {
        parts_.slots->leave(target.ticket);
        return;
    }
    std::lock_guard lock(mutex_);
    if (filled) {
        publish(target);
    }
    if (const std::shared_ptr<Reservation>& reservation = target.reservation) {
        --reservation->users;
        if (reservation->users == 0 && !reservation->published) {
            // All of its writes failed, or the block was discarded meanwhile. What they left there must not show up under another block.
            const auto mine = reservations_.find(target.block);
            if (mine != reservations_.end() && mine->second == reservation) {
                reservations_.erase(mine);
            }
            parts_.slots->retire(reservation->file_offset);
        }
    }
    --publishing_;
    parts_.slots->leave(target.ticket);
}

/// Under the lock, data written: its sectors are the overlay's from now on.
void VhdxDisk::publish(const Target& target) {
    PayloadEntry entry = parts_.map->state_of(target.block);
    if (!entry.in_file()) {
        const auto mine = reservations_.find(target.block);
        if (!target.reservation || mine == reservations_.end() || mine->second != target.reservation) {
            return; // discarded while we wrote: then the write came first
        }
        const bool whole = target.count == parts_.map->geometry().sectors_per_block();
        const bool reads_parent = entry.state == PayloadState::not_present && parts_.parent != nullptr;
        const OwnershipChange kind = whole || !reads_parent ? OwnershipChange::assign_full : OwnershipChange::assign_partial;
        record({kind, target.block, 0, 0, target.file_offset}, target.fill);
        target.reservation->published = true;
        reservations_.erase(mine);
        entry = parts_.map->state_of(target.block);
    }
    if (entry.state == PayloadState::partially_present && entry.file_offset == target.file_offset) {
        record({OwnershipChange::own_sectors, target.block, target.first, target.count, 0}, target.fill);
    }
}

void VhdxDisk::record(const LiveChange& change, Fill fill) {
    const std::uint64_t owned = parts_.map->owned_sectors();
    parts_.live->append(change);
    parts_.map->apply(change);
    const std::uint64_t sector_size = parts_.map->geometry().sector_size();
    if (const std::uint64_t now = parts_.map->owned_sectors(); now < owned) {
        account_->give_back((owned - now) * sector_size);
    } else if (now > owned && fill != Fill::hole) {
        account_->add((now - owned) * sector_size);
    }
}

/// Writes or punches sectors of one block. True when ownership changed, so that only a flush makes it durable.
Result<bool, IoError> VhdxDisk::change(Target target, Bytes data) {
    for (;;) {
        std::unique_lock lock(mutex_);
        const Need need = prepare(target);
        lock.unlock();
        if (need == Need::nothing) {
            break;
        }
        if (const Result<void, IoError> satisfied = satisfy(need, target); !satisfied) {
            return satisfied.error();
        }
    }
    const Result<void> filled = fill(target, data);
    finish(target, static_cast<bool>(filled));
    if (!filled) {
        return failure(filled.error());
    }
    return target.publishes;
}

TryWrite VhdxDisk::try_write(std::uint64_t offset, Bytes data) {
    if (!in_range(offset, data.size())) {
        return {TryStatus::failed, IoError::out_of_range};
    }
    // A write to a part of a page may have to read the rest of it first.
    const bool whole_pages = offset % page_cache_page == 0 && data.size() % page_cache_page == 0;
    if (!whole_pages || data.size() > inline_write_bytes || bytes_since_writeback_.load(std::memory_order_relaxed) >= writeback_bytes) {
        return {TryStatus::would_block, {}};
    }
    TryWrite result;
    for_each_block_part(offset, data.size(), parts_.map->geometry().block_size(), [&](std::uint64_t at, std::uint64_t length) {
        Target target = target_at(at, length, Fill::data);
        std::unique_lock lock(mutex_);
        const Need need = prepare(target);
        lock.unlock();
        if (need != Need::nothing) {
            result.status = TryStatus::would_block; // write() does it all again, or says what is wrong
            return false;
        }
        const Result<void> filled = fill(target, data.subspan(at - offset, length));
        finish(target, static_cast<bool>(filled));
        if (!filled) {
            result = {TryStatus::failed, failure(filled.error())};
        }
        return static_cast<bool>(filled);
    });
    bytes_since_writeback_.fetch_add(data.size(), std::memory_order_relaxed);
    return result;
}

/// The range is the overlay's, and would be after a power loss: data alone need be made durable.
bool VhdxDisk::is_committed(std::uint64_t offset, std::uint64_t length) {
    std::lock_guard lock(mutex_);
    bool committed = pages_in_round_ == 0;
    for_each_block_part(offset, length, parts_.map->geometry().block_size(), [&](std::uint64_t at, std::uint64_t count) {
        const Target target = target_at(at, count, Fill::data);
        committed = committed && !parts_.map->missing_page(target.block) && !parts_.map->is_dirty(target.block) &&
                    parts_.map->missing_sectors(target.block, target.first, target.count) == 0;
        return committed;
    });
    return committed;
}

Result<void, IoError> VhdxDisk::write(std::uint64_t offset, Bytes data, bool fua) {
    if (!in_range(offset, data.size())) {
        return IoError::out_of_range;
    }
    const bool in_place = fua && !sync_failed_ && is_committed(offset, data.size());
    bool must_flush = fua && !in_place;
    Result<void, IoError> result;
    for_each_block_part(offset, data.size(), parts_.map->geometry().block_size(), [&](std::uint64_t at, std::uint64_t length) {
        const Target target = target_at(at, length, in_place ? Fill::durable_data : Fill::data);
        const Result<bool, IoError> changed = change(target, data.subspan(at - offset, length));
        if (!changed) {
            result = changed.error();
            return false;
        }
        must_flush = must_flush || (fua && *changed);
        return true;
    });
    if (!result) {
        return result;
    }
    bytes_since_writeback_.fetch_add(data.size(), std::memory_order_relaxed);
    kick_writeback();
    return must_flush ? flush() : result;
}

void VhdxDisk::kick_writeback() {
    if (bytes_since_writeback_.load(std::memory_order_relaxed) >= writeback_bytes && bytes_since_writeback_.exchange(0) >= writeback_bytes) {
        parts_.file->start_writeback();
    }
}

bool VhdxDisk::reads_zeros(std::uint64_t block) const {
    switch (parts_.map->state_of(block).state) {
    case PayloadState::not_present: return parts_.parent == nullptr;
    case PayloadState::undefined:
    case PayloadState::unmapped: return false; // zeros by our reading, but not by every reader's
    case PayloadState::zero: return true;
    case PayloadState::fully_present:
    case PayloadState::partially_present: return false;
    }
    return false;
}

Result<void, IoError> VhdxDisk::discard(std::uint64_t offset, std::uint64_t length) {
    if (!in_range(offset, length)) {
        return IoError::out_of_range;
    }
    const std::uint64_t block_size = parts_.map->geometry().block_size();
    const std::uint64_t end = offset + length;
    const std::uint64_t first_whole = std::min(round_up(offset, block_size), end);
    const std::uint64_t end_whole = std::max(round_down(end, block_size), first_whole);
    if (const Result<void, IoError> front = zero_part(offset, first_whole - offset); !front) {
        return front;
    }
    for (std::uint64_t block = first_whole / block_size; block < end_whole / block_size; block += zero_step_blocks) {
        const std::uint64_t count = std::min(zero_step_blocks, end_whole / block_size - block);
        if (const Result<void, IoError> zeroed = zero_blocks(block, count); !zeroed) {
            return zeroed;
        }
    }
    return zero_part(end_whole, end - end_whole);
}

/// Less than a block: a hole in its place, and its sectors the overlay's. Nothing is written.
Result<void, IoError> VhdxDisk::zero_part(std::uint64_t offset, std::uint64_t length) {
    if (length == 0) {
        return {};
    }
    const Target target = target_at(offset, length, Fill::hole);
    {
        std::lock_guard lock(mutex_);
        if (reads_zeros(target.block) && !reservations_.contains(target.block)) {
            return {};
        }
    }
    const Result<bool, IoError> changed = change(target, {});
    if (!changed) {
        return changed.error();
    }
    return {};
}

/// Whole blocks: state ZERO. Their places are punched once that is durable, by the flush that makes it so.
Result<void, IoError> VhdxDisk::zero_blocks(std::uint64_t first, std::uint64_t count) {
    constexpr std::size_t pages = 3;
    for (;;) {
        std::unique_lock lock(mutex_);
        if (closed_) {
            return IoError::gone;
        }
        if (has_room(1, pages)) {
            bool changes = false;
            for (std::uint64_t block = first; block < first + count; ++block) {
                changes = changes || !reads_zeros(block);
                drop_block(block);
            }
            if (changes) {
                record({OwnershipChange::zero_blocks, first, 0, count, 0}, Fill::hole);
            }
            return {};
        }
        lock.unlock();
        if (const Result<void, IoError> flushed = combiner_.run(); !flushed) {
            return flushed;
        }
    }
}

void VhdxDisk::drop_block(std::uint64_t block) {
    reservations_.erase(block); // its writers retire the place themselves
    if (const PayloadEntry entry = parts_.map->state_of(block); entry.in_file()) {
        parts_.slots->retire(entry.file_offset);
    }
}

} // namespace rootstock::images
