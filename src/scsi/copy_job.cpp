#include "scsi/copy_job.hpp"

#include "scsi/limits.hpp"

#include <algorithm>

namespace rootstock::scsi {

using block::BlockDevice;
using block::IoError;

Result<void, IoError> CopyJob::run(BlockDevice& device) {
    Result<void, IoError> result;
    for (const CopySegment& segment : segments_) {
        result = copy(device, segment);
        if (!result) {
            device_failure_ = sense_of(result.error(), true);
            break;
        }
        segments_done_.fetch_add(1, std::memory_order_relaxed);
    }
    buffer_ = {};
    status_.store(result ? Status::completed : Status::failed, std::memory_order_release);
    return result;
}

Result<void, IoError> CopyJob::copy(BlockDevice& device, const CopySegment& segment) {
    // Onto a later place that it reaches into: from the end, so that nothing is overwritten before it was read.
    const bool backwards = segment.destination > segment.source && segment.destination - segment.source < segment.length;
    for (std::uint64_t done = 0; done < segment.length;) {
        if (cancelled_.load(std::memory_order_relaxed)) {
            return IoError::gone;
        }
        CopySegment piece;
        piece.length = std::min<std::uint64_t>(segment.length - done, limits::copy_piece_bytes);
        const std::uint64_t begin = backwards ? segment.length - done - piece.length : done;
        piece.source = segment.source + begin;
        piece.destination = segment.destination + begin;
        if (const Result<void, IoError> copied = copy_piece(device, piece); !copied) {
            return copied;
        }
        done += piece.length;
        bytes_done_.fetch_add(piece.length, std::memory_order_relaxed);
    }
    return {};
}

Result<void, IoError> CopyJob::copy_piece(BlockDevice& device, const CopySegment& piece) {
    const BlockDevice::Extent extent = device.extent(piece.source, piece.length);
    if (!extent.mapped && extent.length >= piece.length) {
        return device.discard(piece.destination, piece.length);
    }
    buffer_.resize(piece.length);
    if (const Result<void, IoError> read = device.read(piece.source, buffer_); !read) {
        return read;
    }
    return device.write(piece.destination, buffer_, false);
}

/// A full store keeps its own sense key, by which initiators know that they must wait for space.
Sense CopyJob::failure() const {
    if (device_failure_.key == SenseKey::data_protect) {
        return device_failure_;
    }
    return copy_aborted(device_failure_.asc, segments_done(), std::nullopt);
}

Sense copy_aborted(Asc asc, std::size_t number, std::optional<std::uint16_t> position) {
    Sense sense{SenseKey::copy_aborted, asc, {}, {}};
    if (position) {
        sense.field = FieldPointer{false, *position, {}};
    }
    sense.command_specific = number; // bytes 2 and 3; no sense data of a source or destination is appended
    return sense;
}

CopyLog::Entry* CopyLog::find(std::uint8_t list_identifier) {
    const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
        return entry.identified && entry.job->list_identifier() == list_identifier;
    });
    return found == entries_.end() ? nullptr : &*found;
}

void CopyLog::forget_told() {
    std::erase_if(entries_, [](const Entry& entry) {
        const CopyJob::Status status = entry.job->status();
        const bool nothing_left = entry.status_told && (entry.details_told || status == CopyJob::Status::completed);
        return status != CopyJob::Status::in_progress && (!entry.identified || nothing_left);
    });
    const auto ended = [](const Entry& entry) { return entry.job->status() != CopyJob::Status::in_progress; };
    while (std::count_if(entries_.begin(), entries_.end(), ended) > static_cast<std::ptrdiff_t>(limits::kept_copies)) {
        entries_.erase(std::find_if(entries_.begin(), entries_.end(), ended));
    }
}

CopyLog::Entered CopyLog::enter(std::shared_ptr<CopyJob> job, bool identified) {
    const std::lock_guard lock(mutex_);
    if (identified) {
        Entry* const same = find(job->list_identifier());
        if (same != nullptr && same->job->status() == CopyJob::Status::in_progress) {
            return Entered::identifier_in_use;
        }
        if (same != nullptr) {
            same->identified = false;
        }
    }
    forget_told();
    const auto running = std::count_if(entries_.begin(), entries_.end(), [](const Entry& entry) {
        return entry.job->status() == CopyJob::Status::in_progress;
    });
    if (running >= static_cast<std::ptrdiff_t>(limits::concurrent_copies)) {
        return Entered::too_many;
    }
    entries_.push_back({std::move(job), identified});
    return Entered::yes;
}

std::shared_ptr<CopyJob> CopyLog::take_status(std::uint8_t list_identifier) {
    const std::lock_guard lock(mutex_);
    Entry* const entry = find(list_identifier);
    if (entry == nullptr || entry->status_told) {
        return nullptr;
    }
    std::shared_ptr<CopyJob> job = entry->job;
    entry->status_told = job->status() != CopyJob::Status::in_progress;
    forget_told();
    return job;
}

std::shared_ptr<CopyJob> CopyLog::take_details(std::uint8_t list_identifier) {
    const std::lock_guard lock(mutex_);
    Entry* const entry = find(list_identifier);
    if (entry == nullptr || entry->details_told || entry->job->status() == CopyJob::Status::in_progress) {
        return nullptr;
    }
    std::shared_ptr<CopyJob> job = entry->job;
    entry->details_told = true;
    forget_told();
    return job;
}

void CopyLog::cancel_all() {
    const std::lock_guard lock(mutex_);
    for (const Entry& entry : entries_) {
        entry.job->cancel();
    }
    entries_.clear();
}

} // namespace rootstock::scsi
