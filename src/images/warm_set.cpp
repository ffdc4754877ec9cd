#include "images/warm_set.hpp"

#include "core/text.hpp"
#include "images/limits.hpp"

#include <algorithm>

namespace rootstock::images {
namespace {

/// The chunks of files that hold the blocks; the blocks of a trace that the disk has not are nobody's.
std::set<FileChunk> chunks_of(Master& master, const std::vector<std::uint32_t>& blocks) {
    std::set<FileChunk> chunks;
    const std::uint64_t size = master.geometry().size_bytes;
    for (const std::uint32_t block : blocks) {
        if (const std::uint64_t offset = block * trace_block_bytes; offset < size) {
            chunks.merge(master.chunks_of(offset, std::min(trace_block_bytes, size - offset)));
        }
    }
    return chunks;
}

std::uint64_t bytes_of(const std::set<FileChunk>& chunks) {
    std::uint64_t bytes = 0;
    for (const FileChunk& chunk : chunks) {
        bytes += chunk.file->chunk_bytes(chunk.chunk);
    }
    return bytes;
}

/// False: not pinned.
Result<bool, block::IoError> load(const FileChunk& chunk) {
    const auto loaded = chunk.file->load(chunk.chunk);
    return loaded ? Result<bool, block::IoError>(false) : loaded.error();
}

} // namespace

Result<void> check_warm_room(std::uint64_t needed, std::uint64_t warm, const FileSystem::Memory& memory, const std::string& what) {
    const std::uint64_t share = memory.total_bytes / limits::warm_memory_part;
    const std::uint64_t left = share - std::min(share, warm);
    const std::uint64_t free = std::min(left, memory.available_bytes);
    if (needed <= free) {
        return {};
    }
    return make_error(std::errc::not_enough_memory, what + " needs " + format_size(needed) + " of memory, and " + format_size(free) + " are free for it: images may keep " +
                                                        format_size(share) + " warm together, " + format_size(warm) + " are, and the host has " +
                                                        format_size(memory.available_bytes) + " available. Let another image go (`rootstock image warm NAME --off`)");
}

WarmSet::Chunks::~Chunks() {
    for (const FileChunk& chunk : pinned_) {
        chunk.file->unpin(chunk.chunk);
    }
}

/// Once pinning is refused, the rest would be as well: the limit is one of the process.
Result<void> WarmSet::Chunks::bring_in(const PieceProgress& progress) {
    const std::uint64_t total = bytes_of(chunks_);
    std::uint64_t done = 0;
    bool may_pin = true;
    for (const FileChunk& chunk : chunks_) {
        if (progress && !progress(done, total)) {
            return make_error(std::errc::operation_canceled, "the warming was cancelled");
        }
        const std::uint64_t bytes = chunk.file->chunk_bytes(chunk.chunk);
        const Result<bool, block::IoError> pinned = may_pin ? chunk.file->pin(chunk.chunk) : load(chunk);
        if (!pinned) {
            return make_error(std::errc::io_error, "cannot read " + chunk.file->path());
        }
        if (*pinned) {
            pinned_.push_back(chunk);
            pinned_bytes_ += bytes;
        }
        may_pin = *pinned;
        done += bytes;
    }
    return {};
}

WarmState WarmSet::Chunks::state() const {
    WarmState state{bytes_of(chunks_), 0, pinned_bytes_};
    for (const FileChunk& chunk : chunks_) {
        state.resident_bytes += chunk.file->is_resident(chunk.chunk) ? chunk.file->chunk_bytes(chunk.chunk) : 0;
    }
    return state;
}

std::set<FileChunk> WarmSet::chunks_of_others(const Key& version) {
    const std::lock_guard lock(mutex_);
    std::set<FileChunk> chunks;
    for (const auto& [key, entry] : entries_) {
        if (key != version) {
            chunks.insert(entry.chunks->all().begin(), entry.chunks->all().end());
        }
    }
    return chunks;
}

Result<WarmState> WarmSet::warm(const ImageVersion& version, std::shared_ptr<Master> master, const std::vector<std::uint32_t>& blocks, bool by_itself,
                                const PieceProgress& progress) {
    const std::lock_guard one_at_a_time(warming_);
    const Key key{version.image, version.number};
    auto chunks = std::make_shared<Chunks>(chunks_of(*master, blocks));
    const std::set<FileChunk> others = chunks_of_others(key);
    std::set<FileChunk> added;
    std::ranges::set_difference(chunks->all(), others, std::inserter(added, added.end()));
    const std::string what = "Warming version " + std::to_string(version.number) + " of image " + version.image;
    if (const auto room = check_warm_room(bytes_of(added), bytes_of(others), files_.memory(), what); !room) {
        return room.error();
    }
    if (const auto in = chunks->bring_in(progress); !in) {
        return in.error();
    }
    const std::lock_guard lock(mutex_);
    entries_[key] = {{version.image, version.number, master->chain(), by_itself}, chunks};
    return chunks->state();
}

void WarmSet::cool(const std::string& image, std::uint32_t version) {
    const std::lock_guard lock(mutex_);
    std::erase_if(entries_, [&](const auto& entry) { return entry.first.first == image && (version == 0 || entry.first.second == version); });
}

std::optional<WarmState> WarmSet::state(const std::string& image, std::uint32_t version) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find({image, version});
    return found == entries_.end() ? std::nullopt : std::optional(found->second.chunks->state());
}

std::vector<WarmSet::Held> WarmSet::all() {
    const std::lock_guard lock(mutex_);
    std::vector<Held> all;
    for (const auto& [key, entry] : entries_) {
        all.push_back(entry.held);
    }
    return all;
}

} // namespace rootstock::images
