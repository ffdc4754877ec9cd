#include "images/boot_trace.hpp"

#include "images/limits.hpp"

#include <algorithm>

namespace rootstock::images {

void ReadMarks::add(std::uint64_t offset, std::uint64_t length) {
    if (length == 0) {
        return;
    }
    const std::uint64_t end = (offset + length - 1) / page_bytes + 1;
    for (std::uint64_t page = offset / page_bytes; page < end;) {
        const std::uint64_t next_block = (page / pages_per_block + 1) * pages_per_block;
        const auto block = static_cast<std::uint32_t>(page / pages_per_block);
        const auto known = blocks_.find(block);
        if (known == blocks_.end() && blocks_.size() == limits::trace_blocks) {
            page = next_block;
            continue;
        }
        Pages& pages = known != blocks_.end() ? known->second : blocks_[block];
        for (const std::uint64_t stop = std::min(end, next_block); page < stop; ++page) {
            const std::uint64_t at = page % pages_per_block;
            const std::uint64_t bit = std::uint64_t{1} << (at % 64);
            pages_ += (pages[at / 64] & bit) == 0 ? 1U : 0U;
            pages[at / 64] |= bit;
        }
    }
}

BootTrace ReadMarks::trace() const {
    BootTrace trace;
    trace.facts.reads = reads_;
    trace.facts.bytes = pages_ * page_bytes;
    trace.facts.block_count = blocks_.size();
    for (const auto& [block, pages] : blocks_) {
        trace.blocks.push_back(block);
    }
    std::sort(trace.blocks.begin(), trace.blocks.end());
    return trace;
}

TraceVerdict TraceWatch::look(TimePoint now, bool running, bool closed, std::uint64_t pages) {
    if (!running) {
        return closed || now - begun_ >= trace_patience ? TraceVerdict::aborted : TraceVerdict::goes_on;
    }
    if (!running_since_) {
        running_since_ = now;
        last_new_ = now;
        pages_ = pages;
    }
    if (pages != pages_) {
        pages_ = pages;
        last_new_ = now;
    }
    const bool over = closed || now - last_new_ >= trace_quiet || now - *running_since_ >= trace_after_running;
    if (!over) {
        return TraceVerdict::goes_on;
    }
    return pages == 0 ? TraceVerdict::aborted : TraceVerdict::complete;
}

} // namespace rootstock::images
