#include "images/io_error.hpp"
#include "images/vhdx_disk.hpp"

#include <thread>

namespace rootstock::images {

using block::IoError;

Result<void, IoError> VhdxDisk::flush() {
    {
        std::lock_guard lock(mutex_);
        if (closed_) {
            return IoError::gone;
        }
    }
    return combiner_.run();
}

/// One durable round, at most two syncs. Only the combiner calls it: one at a time.
Result<void, IoError> VhdxDisk::flush_round() {
    if (sync_failed_) {
        return IoError::medium;
    }
    const Round round = begin_round();
    if (!round.dirty) {
        return {};
    }
    const Result<void> committed = commit(round);
    if (!committed) {
        abandon_round(round);
        // Without space the log could not be written, and nothing is lost: a later round does it. After any other failure the kernel may have
        // dropped what it could not write, and would call the next sync a success.
        sync_failed_ = sync_failed_ || !is_no_space(committed.error());
        return failure(committed.error());
    }
    finish_round(round);
    return {};
}

VhdxDisk::Round VhdxDisk::begin_round() {
    std::lock_guard lock(mutex_);
    Round round;
    // After a round that was not finished, the one that makes up for it leaves durable changes in the live map's active half.
    const bool changes = parts_.map->dirty_count() != 0 || !parts_.live->empty();
    round.dirty = data_dirty_.exchange(false, std::memory_order_acquire) || changes;
    if (!round.dirty) {
        return round;
    }
    round.page_numbers = parts_.map->take_dirty();
    round.contents.resize(round.page_numbers.size() * metadata_page_size);
    for (std::size_t at = 0; at < round.page_numbers.size(); ++at) {
        parts_.map->copy_page(round.page_numbers[at], MutableBytes(round.contents).subspan(at * metadata_page_size, metadata_page_size));
    }
    pages_in_round_ = round.page_numbers.size();
    round.retired = parts_.slots->take_retired();
    round.file_size = parts_.slots->file_size();
    if (!round_unfinished_) {
        parts_.live->begin_flush();
    }
    return round;
}

Result<void> VhdxDisk::commit(const Round& round) {
    if (Result<void> synced = parts_.file->sync_data(); !synced) {
        sync_failed_ = true;
        return synced;
    }
    parts_.log->synced();
    std::vector<VhdxLogPage> pages;
    pages.reserve(round.page_numbers.size());
    for (std::size_t at = 0; at < round.page_numbers.size(); ++at) {
        pages.push_back({parts_.map->page_offset(round.page_numbers[at]), Bytes(round.contents).subspan(at * metadata_page_size, metadata_page_size)});
    }
    return parts_.log->commit(pages, round.file_size);
}

void VhdxDisk::abandon_round(const Round& round) {
    std::lock_guard lock(mutex_);
    parts_.map->mark_dirty(round.page_numbers);
    for (const std::uint64_t place : round.retired) {
        parts_.slots->retire(place);
    }
    data_dirty_ = true;
    pages_in_round_ = 0;
    round_unfinished_ = true;
}

void VhdxDisk::finish_round(const Round& round) {
    std::vector<std::uint64_t> idle;
    {
        std::lock_guard lock(mutex_);
        parts_.live->end_flush();
        round_unfinished_ = false;
        pages_in_round_ = 0;
        parts_.slots->released(round.retired);
        idle = parts_.slots->take_idle();
    }
    for (const std::uint64_t place : idle) {
        if (!parts_.file->punch_hole(place, parts_.map->geometry().block_size())) {
            continue; // not free again then: a new block must find zeros there
        }
        std::lock_guard lock(mutex_);
        parts_.slots->free_again(place);
    }
}

/// closed_ is set: what began before ends, and nothing begins.
void VhdxDisk::wait_for_io() {
    for (;;) {
        {
            std::lock_guard lock(mutex_);
            if (!parts_.slots->busy()) {
                return;
            }
        }
        std::this_thread::yield();
    }
}

Result<void> VhdxDisk::close() {
    const Result<void> closed = suspend();
    return closed ? files_.remove(LiveMap::path_of(parts_.file->path())) : closed;
}

Result<void> VhdxDisk::suspend() {
    {
        std::lock_guard lock(mutex_);
        if (std::exchange(closed_, true)) {
            return {};
        }
    }
    wait_for_io();
    if (!combiner_.run()) {
        return make_error(std::errc::io_error, parts_.file->path() + " could not be flushed; it stays as after a crash, and is repaired when it is opened again.");
    }
    if (Result<void> synced = parts_.file->sync_data(); !synced) { // what the log's last entry put in place
        return synced;
    }
    parts_.log->synced();
    // The old header's log speaks of the longer file; one that becomes a layer is known by the size that it has then.
    return parts_.headers->end_changes([this] { return parts_.file->resize(parts_.slots->used_end()); });
}

} // namespace rootstock::images
