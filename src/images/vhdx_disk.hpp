// VhdxDisk: an open writable VHDX, which is both kinds of disk that last: a persistent overlay (differencing, over a master) and a volume (dynamic, no
// parent). Keeps both promises: process death loses no acknowledged write (live_map), power loss no flushed one (log, [MS-VHDX] 2.3).
//
// A write: 1. under the lock, look up or reserve the place of its block  2. without it, pwrite  3. under the lock, if the sectors are new: append the
// change to the live map and apply it to the extent map. Only then it is answered.
// A flush: 1. under the lock, copy the dirty pages of table and bitmaps, flip the live map  2. fdatasync: the data of every bit that was copied
// 3. log entry, fdatasync  4. empty the older half of the live map, punch what was given up. Writes go on all the while.
//
// Threads: as BlockDevice. `mutex_` guards map, places, live map, reservations and account, and is never held over I/O; rounds are serialised by the combiner
// and alone use log and headers.
#pragma once

#include "images/extent_map.hpp"
#include "images/flush_combiner.hpp"
#include "images/overlay.hpp"
#include "images/slot_pool.hpp"
#include "images/vhdx_headers.hpp"
#include "images/vhdx_log_writer.hpp"

#include <unordered_map>

namespace rootstock::images {

/// What opening has made ready.
struct VhdxDiskParts {
    std::unique_ptr<File> file;
    std::shared_ptr<Master> parent; // null: a volume
    std::unique_ptr<ExtentMap> map;
    std::unique_ptr<SlotPool> slots;
    std::unique_ptr<LiveMap> live;
    std::unique_ptr<Random> random;
    std::unique_ptr<VhdxHeaderWriter> headers;
    std::unique_ptr<VhdxLogWriter> log;
    block::Geometry geometry;
    std::uint64_t reserved_bytes = 0; // of the file, that log and table take from the start
};

class VhdxDisk final : public Overlay {
  public:
    static constexpr std::size_t inline_write_bytes = std::size_t{64} << 10U; // more would hold up its shard
    static constexpr std::uint64_t writeback_bytes = std::uint64_t{8} << 20U; // dirty data after which write-back is kicked
    static constexpr std::size_t dirty_page_limit = 1000;                     // a flush copies them under the lock: 4 MiB
    static constexpr std::uint64_t zero_step_blocks = 1024;                   // table pages that one change may dirty: 3

    VhdxDisk(FileSystem& files, VhdxDiskParts parts);

    [[nodiscard]] block::Geometry geometry() const override { return parts_.geometry; }
    block::TryRead try_read(std::uint64_t offset, std::size_t length, bool mapping_allowed, block::ReadSink& sink) override;
    Result<void, block::IoError> read(std::uint64_t offset, MutableBytes out) override;
    block::TryWrite try_write(std::uint64_t offset, Bytes data) override;
    Result<void, block::IoError> write(std::uint64_t offset, Bytes data, bool fua) override;
    Result<void, block::IoError> flush() override;
    Result<void, block::IoError> discard(std::uint64_t offset, std::uint64_t length) override;
    [[nodiscard]] Extent extent(std::uint64_t offset, std::uint64_t length) override;

    Result<void> close() override;
    Result<void> suspend() override;
    [[nodiscard]] std::shared_ptr<Master> parent() override { return parts_.parent; }
    bool stand_on(std::shared_ptr<Master> master) override; // while nothing else is called
    [[nodiscard]] std::optional<Guid> data_write_guid() override { return parts_.headers->current().header.data_write_guid; }
    [[nodiscard]] std::uint64_t allocated_bytes() override;
    void charge_to(std::shared_ptr<SpaceAccount> account) override;
    void settle_account() override;

  private:
    /// A place for a block that has none yet. Writers of one block share it; the first to finish gives it to the block.
    struct Reservation {
        std::uint64_t file_offset = 0;
        unsigned users = 0;
        bool published = false;
    };
    enum class Fill { data, durable_data, hole };
    /// Sectors of one block to be changed, and where they lie.
    struct Target {
        std::uint64_t block = 0;
        std::uint64_t first = 0; // sectors within the block
        std::uint64_t count = 0;
        Fill fill = Fill::data;
        std::uint64_t file_offset = 0; // of the block
        unsigned ticket = 0;
        bool publishes = false;        // ownership changes
        std::uint64_t new_bytes = 0;   // of guest data that it would make the file hold
        std::shared_ptr<Reservation> reservation;
    };
    /// What prepare() needs before it can go on.
    enum class Need { nothing, bitmap_page, growth, flush, quota, closed };
    struct Round {
        std::vector<std::size_t> page_numbers;
        ByteVector contents;
        std::vector<std::uint64_t> retired;
        std::uint64_t file_size = 0;
        bool dirty = false;
    };

    // vhdx_disk.cpp: reads
    [[nodiscard]] bool in_range(std::uint64_t offset, std::uint64_t length) const;
    [[nodiscard]] Need look_up(std::uint64_t offset, std::uint64_t length, PieceList& pieces, unsigned& ticket, std::size_t& missing);
    Result<void> load_page(std::size_t page);
    bool try_load_page(std::size_t page);

    // vhdx_disk_write.cpp
    [[nodiscard]] Target target_at(std::uint64_t offset, std::uint64_t length, Fill fill) const;
    [[nodiscard]] Need prepare(Target& target);
    [[nodiscard]] Need reserve(Target& target);
    Result<void, block::IoError> satisfy(Need need, const Target& target);
    Result<void> fill(const Target& target, Bytes data);
    void finish(const Target& target, bool filled);
    void publish(const Target& target);
    void record(const LiveChange& change, Fill fill);
    [[nodiscard]] block::IoError failure(const Error& error);
    Result<void, block::IoError> make_room(std::uint64_t new_bytes);
    [[nodiscard]] bool has_room(std::size_t changes, std::size_t pages) const;
    Result<void> grow();
    Result<bool, block::IoError> change(Target target, Bytes data);
    [[nodiscard]] bool is_committed(std::uint64_t offset, std::uint64_t length);
    void kick_writeback();
    [[nodiscard]] bool reads_zeros(std::uint64_t block) const;
    Result<void, block::IoError> zero_blocks(std::uint64_t first, std::uint64_t count);
    Result<void, block::IoError> zero_part(std::uint64_t offset, std::uint64_t length);
    void drop_block(std::uint64_t block);

    // vhdx_disk_flush.cpp
    Result<void, block::IoError> flush_round();
    [[nodiscard]] Round begin_round();
    Result<void> commit(const Round& round);
    void abandon_round(const Round& round);
    void finish_round(const Round& round);
    void wait_for_io();

    FileSystem& files_;
    VhdxDiskParts parts_;
    FlushCombiner combiner_;
    std::mutex mutex_;
    std::mutex growth_mutex_; // one thread grows the file at a time; taken before mutex_
    std::unordered_map<std::uint64_t, std::shared_ptr<Reservation>> reservations_; // by block
    std::size_t publishing_ = 0;       // writes between prepare() and finish() that will change ownership
    std::size_t pages_in_round_ = 0;   // not durable yet
    bool round_unfinished_ = false;    // the last round failed for want of space: the live map's older half still counts
    bool closed_ = false;
    std::shared_ptr<SpaceAccount> account_ = std::make_shared<SpaceAccount>();
    std::atomic<bool> data_dirty_ = false;
    std::atomic<bool> sync_failed_ = false; // the kernel may have dropped data: no flush can be honest any more
    std::atomic<std::uint64_t> bytes_since_writeback_ = 0;
};

} // namespace rootstock::images
