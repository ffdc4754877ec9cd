// What a disk may hold: a master of a known pattern, and a model that knows for every sector what was last acknowledged, and what it may be after a
// power loss (all it has been since the last flush). Sectors carry the number of the write that made them, so that a wrong one tells where it came from.
#pragma once

#include "images/overlay.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace rootstock::test {

inline constexpr std::uint64_t model_sector = 512;

/// Number of a write. Two are special.
using Tag = std::uint32_t;
inline constexpr Tag parent_tag = 0;
inline constexpr Tag zeros_tag = 1;

/// The bytes that write `tag` puts into sectors [first, ...).
void fill_pattern(Tag tag, std::uint64_t first_sector, MutableBytes out);
[[nodiscard]] ByteVector pattern(Tag tag, std::uint64_t first_sector, std::uint64_t sector_count);

/// A master in no file: every sector holds parent_tag's pattern.
class PatternMaster final : public images::Master {
  public:
    explicit PatternMaster(std::uint64_t size_bytes, std::string path = "/data/images/lab/v0001.vhdx");

    [[nodiscard]] const images::MasterIdentity& identity() const override { return identity_; }
    [[nodiscard]] const std::string& path() const override { return path_; }
    [[nodiscard]] Place place_of(std::uint64_t offset, std::uint64_t length) override { return {this, offset, length}; }
    [[nodiscard]] std::set<images::FileChunk> chunks_of(std::uint64_t, std::uint64_t) override { return {}; }
    void refresh() override {}
    [[nodiscard]] block::Geometry geometry() const override { return {identity_.virtual_size, 512, 4096, 0, true}; }
    block::TryRead try_read(std::uint64_t offset, std::size_t length, bool, block::ReadSink& sink) override {
        fill_pattern(parent_tag, offset / model_sector, sink.buffer(length));
        return {};
    }
    Result<void, block::IoError> read(std::uint64_t offset, MutableBytes out) override {
        fill_pattern(parent_tag, offset / model_sector, out);
        return {};
    }
    block::TryWrite try_write(std::uint64_t, Bytes) override { return {block::TryStatus::failed, block::IoError::read_only}; }
    Result<void, block::IoError> write(std::uint64_t, Bytes, bool) override { return block::IoError::read_only; }
    Result<void, block::IoError> flush() override { return {}; }
    Result<void, block::IoError> discard(std::uint64_t, std::uint64_t) override { return block::IoError::read_only; }

  private:
    images::MasterIdentity identity_;
    std::string path_;
};

class DiskModel {
  public:
    /// `base`: parent_tag for an overlay, zeros_tag for a volume.
    DiskModel(std::uint64_t sector_count, Tag base);

    [[nodiscard]] std::uint64_t sector_count() const { return current_.size(); }
    /// A new number for a write that is about to start; its sectors may be old or new until acknowledged().
    Tag begin_write(std::uint64_t first, std::uint64_t count);
    /// The same with a number of the caller's, who has several disks and wants to tell their writes apart.
    void begin_write(std::uint64_t first, std::uint64_t count, Tag tag) { begin(first, count, tag); }
    void begin_zero(std::uint64_t first, std::uint64_t count);
    void acknowledged();
    /// A write that failed: its sectors may be either.
    void failed() { in_flight_.reset(); }
    /// Everything acknowledged before is durable.
    void flushed();
    /// Only these sectors (FUA).
    void flushed_range(std::uint64_t first, std::uint64_t count);

    /// The disk holds what `other`'s does, durably. Numbers of writes go on behind those of both.
    void become(const DiskModel& other);
    /// Grown: zeros follow.
    void grow(std::uint64_t sector_count);

    /// The first sector that is not as it must be, in words; nothing when all are right.
    [[nodiscard]] std::optional<std::string> check_after_process_death(block::BlockDevice& disk) const;
    [[nodiscard]] std::optional<std::string> check_after_power_loss(block::BlockDevice& disk) const;
    /// Only these sectors, of a disk that nothing has happened to: `bytes` were read from it.
    [[nodiscard]] std::optional<std::string> check_read(std::uint64_t first, Bytes bytes) const;
    /// The disk's contents are the model's from now on (after a power loss, which settles what was open).
    void settle(block::BlockDevice& disk);

  private:
    struct Change {
        std::uint64_t first = 0;
        std::uint64_t count = 0;
        Tag tag = 0;
        bool is_barrier = false; // durable_ holds what these sectors were at that moment; nothing before counts for them
        [[nodiscard]] bool covers(std::uint64_t sector) const { return sector - first < count; }
    };
    void begin(std::uint64_t first, std::uint64_t count, Tag tag);
    [[nodiscard]] bool in_flight(std::uint64_t sector) const { return in_flight_ && in_flight_->covers(sector); }
    /// The write whose contents `is` says it has, of those that a power loss may leave there.
    template <class Is> [[nodiscard]] std::optional<Tag> left_by_power_loss(std::uint64_t sector, Is&& is) const;
    [[nodiscard]] std::string wrong(std::uint64_t sector, Bytes bytes) const;
    template <class Allowed>
    [[nodiscard]] std::optional<std::string> check(block::BlockDevice& disk, Allowed&& allowed) const;

    std::vector<Tag> current_;
    std::vector<Tag> durable_;    // at the last flush, or barrier
    std::vector<Change> journal_; // since the last flush
    std::optional<Change> in_flight_;
    Tag next_tag_ = 2;
};

} // namespace rootstock::test
