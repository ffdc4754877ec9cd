// What the blocks of a disk may hold while several initiators change them at once, and a disk that sometimes makes them wait.
#pragma once

#include "block/memory_device.hpp"
#include "core/random.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

namespace rootstock::test {

inline constexpr unsigned block_count = 64;
inline constexpr unsigned block_size = 512;

/// Memory that sometimes has to be waited for.
class MoodyDevice final : public block::BlockDevice {
  public:
    explicit MoodyDevice(Random& random) : random_(random), memory_(block::Geometry{block_count * block_size}) {}
    [[nodiscard]] block::Geometry geometry() const override { return memory_.geometry(); }
    block::TryRead try_read(std::uint64_t offset, std::size_t length, bool mapping, block::ReadSink& sink) override {
        return random_.u32() % 3 == 0 ? block::TryRead{block::TryStatus::would_block, {}, {}} : memory_.try_read(offset, length, mapping, sink);
    }
    Result<void, block::IoError> read(std::uint64_t offset, MutableBytes out) override { return memory_.read(offset, out); }
    block::TryWrite try_write(std::uint64_t offset, Bytes data) override {
        return random_.u32() % 2 == 0 ? block::TryWrite{block::TryStatus::would_block, {}} : memory_.try_write(offset, data);
    }
    Result<void, block::IoError> write(std::uint64_t offset, Bytes data, bool fua) override { return memory_.write(offset, data, fua); }
    Result<void, block::IoError> flush() override { return {}; }
    Result<void, block::IoError> discard(std::uint64_t offset, std::uint64_t length) override { return memory_.discard(offset, length); }

  private:
    Random& random_;
    block::MemoryDevice memory_;
};

/// What every block may hold. A change lives from its issue to its end; an acknowledged one leaves of the others only those that overlapped
/// with it in time.
class ContentModel {
  public:
    static constexpr std::uint64_t never = ~std::uint64_t{0};
    struct Change {
        unsigned lba = 0, count = 0;
        std::uint32_t value = 0;
        std::uint64_t issued = 0;
        std::uint64_t ended = never;
    };
    using Id = std::uint32_t;

    ContentModel() : changes_{{0, {0, block_count, 0, 0, 0}}} { allowed_.fill({0}); }

    Id begin(unsigned lba, unsigned count, std::uint32_t value) {
        const Id id = ++last_id_;
        changes_[id] = {lba, count, value, ++time_, never};
        for (unsigned b = lba; b < lba + count; ++b) {
            allowed_[b].insert(id);
            for (auto& [reader, seen] : watched_) {
                if (b >= seen.lba && b < seen.lba + seen.values.size()) {
                    seen.values[b - seen.lba].insert(value);
                }
            }
        }
        return id;
    }
    void acknowledged(Id id) {
        Change& change = changes_.at(id);
        change.ended = ++time_;
        for (unsigned b = change.lba; b < change.lba + change.count; ++b) {
            std::erase_if(allowed_[b], [&](Id other) { return other != id && changes_.at(other).ended < change.issued; });
        }
    }
    /// It may have happened, wholly or partly, but nothing more of it will.
    void stopped(Id id) {
        if (auto& ended = changes_.at(id).ended; ended == never) {
            ended = ++time_;
        }
    }
    /// It was refused before it began.
    void refused(Id id) {
        for (auto& ids : allowed_) {
            ids.erase(id);
        }
    }

    /// From now until forget(): everything that the blocks hold at some time.
    void watch(std::uint64_t reader, unsigned lba, unsigned count) {
        Watched& seen = watched_[reader];
        seen.lba = lba;
        for (unsigned b = lba; b < lba + count; ++b) {
            seen.values.push_back(values(b));
        }
    }
    [[nodiscard]] std::uint32_t value(Id id) const { return changes_.at(id).value; }
    [[nodiscard]] const std::set<std::uint32_t>& seen(std::uint64_t reader, unsigned block) const { return watched_.at(reader).values[block]; }
    void forget(std::uint64_t reader) { watched_.erase(reader); }

    [[nodiscard]] std::set<std::uint32_t> values(unsigned block) const {
        std::set<std::uint32_t> result;
        for (const Id id : allowed_[block]) {
            result.insert(changes_.at(id).value);
        }
        return result;
    }

  private:
    struct Watched {
        unsigned lba = 0;
        std::vector<std::set<std::uint32_t>> values;
    };
    std::map<Id, Change> changes_;
    std::array<std::set<Id>, block_count> allowed_;
    std::map<std::uint64_t, Watched> watched_;
    std::uint64_t time_ = 0;
    Id last_id_ = 0;
};

inline ByteVector blocks_of(std::uint32_t value, unsigned count) {
    ByteVector data(std::size_t{count} * block_size);
    for (std::size_t at = 0; at < data.size(); at += sizeof value) {
        std::memcpy(data.data() + at, &value, sizeof value);
    }
    return data;
}

/// The value that fills the whole block; nothing: it is torn.
inline std::optional<std::uint32_t> value_of(Bytes block) {
    std::uint32_t value = 0;
    std::memcpy(&value, block.data(), sizeof value);
    return std::ranges::equal(block, blocks_of(value, 1)) ? std::optional(value) : std::nullopt;
}

} // namespace rootstock::test
