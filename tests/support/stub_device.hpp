// A disk in memory whose way of answering a read is chosen by the test: from a mapping like a resident master, through the sink's buffers like
// an overlay, or not at once like what has left the page cache. Not thread-safe beyond what one session needs.
#pragma once

#include "block/block_device.hpp"

#include <algorithm>
#include <functional>

namespace rootstock::test {

class StubDevice final : public block::BlockDevice {
  public:
    enum class Reads : std::uint8_t { mapped, buffered, miss_shared, miss_private };

    explicit StubDevice(std::uint64_t size, Reads how = Reads::mapped) : reads(how), bytes_(size) {
        for (std::size_t i = 0; i < bytes_.size(); ++i) {
            bytes_[i] = static_cast<std::uint8_t>(i * 7 + i / 509);
        }
    }

    [[nodiscard]] block::Geometry geometry() const override { return {bytes_.size()}; }
    block::TryRead try_read(std::uint64_t offset, std::size_t length, bool mapping_allowed, block::ReadSink& sink) override {
        if (on_read) {
            on_read();
        }
        if (reads == Reads::miss_shared || reads == Reads::miss_private) {
            return {block::TryStatus::would_block, {}, {reads == Reads::miss_shared ? loader_ : nullptr, 0}};
        }
        const Bytes piece = Bytes(bytes_).subspan(offset, length);
        if (reads == Reads::mapped && mapping_allowed) {
            sink.mapped(piece);
        } else { // in two pieces, as where two layers meet
            const std::size_t half = length / 2;
            std::ranges::copy(piece.first(half), sink.buffer(half).begin());
            std::ranges::copy(piece.subspan(half), sink.buffer(length - half).begin());
        }
        return {};
    }
    Result<void, block::IoError> read(std::uint64_t offset, MutableBytes out) override {
        std::ranges::copy(Bytes(bytes_).subspan(offset, out.size()), out.begin());
        return {};
    }
    block::TryWrite try_write(std::uint64_t offset, Bytes data) override {
        std::ranges::copy(data, bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
        return {};
    }
    Result<void, block::IoError> write(std::uint64_t offset, Bytes data, bool) override {
        if (before_write) {
            before_write();
        }
        try_write(offset, data);
        return {};
    }
    Result<void, block::IoError> flush() override { return {}; }
    Result<void, block::IoError> discard(std::uint64_t offset, std::uint64_t length) override {
        std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), length, std::uint8_t{0});
        return {};
    }

    std::function<void()> before_write; // off the shard

    [[nodiscard]] Bytes content() const { return bytes_; }
    [[nodiscard]] unsigned loads() const { return loader_->loads; }

    Reads reads;
    std::function<void()> on_read; // before each

  private:
    struct CountingLoader final : block::Loader {
        Result<void, block::IoError> load(std::uint64_t) override {
            ++loads;
            return {};
        }
        unsigned loads = 0;
    };

    ByteVector bytes_;
    std::shared_ptr<CountingLoader> loader_ = std::make_shared<CountingLoader>();
};

} // namespace rootstock::test
