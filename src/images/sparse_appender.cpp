#include "images/sparse_appender.hpp"

#include <algorithm>

namespace rootstock::images {

Result<void> SparseAppender::append(Bytes data) {
    while (!data.empty()) {
        const Bytes part = data.first(std::min(data.size(), block - pending_.size()));
        pending_.insert(pending_.end(), part.begin(), part.end());
        data = data.subspan(part.size());
        if (pending_.size() == block) {
            if (auto flushed = flush(); !flushed) {
                return flushed;
            }
        }
    }
    return {};
}

Result<void> SparseAppender::finish() {
    auto flushed = flush();
    return flushed ? file_.resize(offset_) : flushed;
}

Result<void> SparseAppender::flush() {
    const bool zeros = std::all_of(pending_.begin(), pending_.end(), [](std::uint8_t byte) { return byte == 0; });
    if (!zeros) {
        if (auto written = file_.write_at(offset_, pending_); !written) {
            return written;
        }
        stored_ += pending_.size();
    }
    offset_ += pending_.size();
    pending_.clear();
    return {};
}

} // namespace rootstock::images
