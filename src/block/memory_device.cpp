#include "block/memory_device.hpp"

#include "core/checked.hpp"

#include <algorithm>
#include <mutex>
#include <new>

namespace rootstock::block {

MemoryDevice::MemoryDevice(Geometry geometry, std::shared_ptr<MemoryBudget> budget)
    : geometry_(geometry), budget_(std::move(budget)), chunks_(div_up(geometry.size_bytes, chunk_size)) {
    if (geometry_.discard_granularity == 0) {
        geometry_.discard_granularity = static_cast<std::uint32_t>(chunk_size);
    }
}

MemoryDevice::~MemoryDevice() {
    if (budget_) {
        budget_->give_back(allocated_bytes());
    }
}

/// Zeros for a chunk that has none yet. The chunk's lock is held, here and below.
bool MemoryDevice::allocate(Chunk& chunk) {
    if (budget_ && !budget_->take(chunk_size)) {
        return false;
    }
    chunk.reset(new (std::nothrow) std::uint8_t[chunk_size]());
    if (!chunk) {
        if (budget_) {
            budget_->give_back(chunk_size);
        }
        return false;
    }
    allocated_bytes_.fetch_add(chunk_size, std::memory_order_relaxed);
    return true;
}

void MemoryDevice::free(Chunk& chunk) {
    if (!chunk) {
        return;
    }
    chunk.reset();
    allocated_bytes_.fetch_sub(chunk_size, std::memory_order_relaxed);
    if (budget_) {
        budget_->give_back(chunk_size);
    }
}

Geometry MemoryDevice::geometry() const { return geometry_; }

template <class Visit>
void MemoryDevice::for_each_chunk(std::uint64_t offset, std::uint64_t length, Visit visit) {
    std::uint64_t done = 0;
    while (done < length) {
        const std::uint64_t position = offset + done;
        const std::uint64_t within = position % chunk_size;
        const std::uint64_t piece = std::min(length - done, chunk_size - within);
        visit(position / chunk_size, within, piece, done);
        done += piece;
    }
}

Result<void, IoError> MemoryDevice::check(std::uint64_t offset, std::uint64_t length) const {
    if (!range_fits(offset, length, geometry_.size_bytes)) {
        return IoError::out_of_range;
    }
    return {};
}

TryRead MemoryDevice::try_read(std::uint64_t offset, std::size_t length, bool /*mapping_allowed*/, ReadSink& sink) {
    const Result<void, IoError> result = read(offset, sink.buffer(length));
    if (!result) {
        return {TryStatus::failed, result.error(), {}};
    }
    return {};
}

Result<void, IoError> MemoryDevice::read(std::uint64_t offset, MutableBytes out) {
    if (Result<void, IoError> fits = check(offset, out.size()); !fits) {
        return fits;
    }
    for_each_chunk(offset, out.size(), [&](std::uint64_t chunk, std::uint64_t within, std::uint64_t length, std::uint64_t done) {
        const std::shared_lock lock(lock_of(chunk));
        if (const std::uint8_t* from = chunks_[chunk].get()) {
            std::memcpy(out.data() + done, from + within, length);
        } else {
            std::memset(out.data() + done, 0, length);
        }
    });
    return {};
}

TryWrite MemoryDevice::try_write(std::uint64_t offset, Bytes data) {
    const Result<void, IoError> result = write(offset, data, false);
    if (!result) {
        return {TryStatus::failed, result.error()};
    }
    return {};
}

Result<void, IoError> MemoryDevice::write(std::uint64_t offset, Bytes data, bool /*fua*/) {
    if (geometry_.read_only) {
        return IoError::read_only;
    }
    if (Result<void, IoError> fits = check(offset, data.size()); !fits) {
        return fits;
    }
    bool out_of_memory = false;
    for_each_chunk(offset, data.size(), [&](std::uint64_t chunk, std::uint64_t within, std::uint64_t length, std::uint64_t done) {
        const std::unique_lock lock(lock_of(chunk));
        Chunk& to = chunks_[chunk];
        if (to || allocate(to)) {
            std::memcpy(to.get() + within, data.data() + done, length);
        } else {
            out_of_memory = true;
        }
    });
    if (out_of_memory) {
        return IoError::no_space;
    }
    return {};
}

Result<void, IoError> MemoryDevice::flush() { return {}; }

Result<void, IoError> MemoryDevice::discard(std::uint64_t offset, std::uint64_t length) {
    if (geometry_.read_only) {
        return IoError::read_only;
    }
    if (Result<void, IoError> fits = check(offset, length); !fits) {
        return fits;
    }
    for_each_chunk(offset, length, [&](std::uint64_t chunk, std::uint64_t within, std::uint64_t piece, std::uint64_t) {
        const std::unique_lock lock(lock_of(chunk));
        Chunk& to = chunks_[chunk];
        if (piece == chunk_size) {
            free(to);
        } else if (to) {
            std::memset(to.get() + within, 0, piece);
        }
    });
    return {};
}

BlockDevice::Extent MemoryDevice::extent(std::uint64_t offset, std::uint64_t length) {
    const std::uint64_t first = offset / chunk_size;
    const auto mapped_at = [&](std::uint64_t chunk) {
        const std::shared_lock lock(lock_of(chunk));
        return chunks_[chunk] != nullptr;
    };
    const bool mapped = mapped_at(first);
    std::uint64_t end = (first + 1) * chunk_size;
    while (end < offset + length && mapped_at(end / chunk_size) == mapped) {
        end += chunk_size;
    }
    return {std::min(end - offset, length), mapped};
}

} // namespace rootstock::block
