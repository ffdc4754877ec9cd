// A ReadSink that gathers what a device hands out, and remembers how.
#pragma once

#include "block/block_device.hpp"

#include <deque>

namespace rootstock {

class GatheringSink final : public block::ReadSink {
  public:
    // A test may touch a mapping: nobody truncates the file meanwhile.
    void mapped(Bytes bytes) override {
        pieces_.emplace_back(bytes.begin(), bytes.end());
        mapped_bytes += bytes.size();
    }
    MutableBytes buffer(std::size_t size) override { return pieces_.emplace_back(size); }
    void zeros(std::size_t size) override {
        pieces_.emplace_back(size);
        zero_bytes += size;
    }

    [[nodiscard]] ByteVector contents() const {
        ByteVector all;
        for (const ByteVector& piece : pieces_) {
            all.insert(all.end(), piece.begin(), piece.end());
        }
        return all;
    }
    [[nodiscard]] std::size_t piece_count() const { return pieces_.size(); }

    std::size_t mapped_bytes = 0;
    std::size_t zero_bytes = 0;

  private:
    std::deque<ByteVector> pieces_;
};

/// try_read as the edge does it: loads what is missing until it is done. At most one load a chunk of each of `files`, or the test fails.
[[nodiscard]] inline ByteVector read_with_loads(block::BlockDevice& device, std::uint64_t offset, std::size_t length, bool mapping_allowed,
                                                std::size_t files = 1) {
    for (std::size_t turn = 0; turn < (length / (1U << 20U) + 4) * files; ++turn) {
        GatheringSink sink;
        const block::TryRead read = device.try_read(offset, length, mapping_allowed, sink);
        if (read.status == block::TryStatus::done) {
            return sink.contents();
        }
        if (read.status == block::TryStatus::failed) {
            return {};
        }
        if (!read.miss.loader) {
            ByteVector out(length);
            return device.read(offset, out) ? out : ByteVector{};
        }
        if (!read.miss.loader->load(read.miss.chunk)) {
            return {};
        }
    }
    return {};
}

} // namespace rootstock
