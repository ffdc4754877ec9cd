// Boot traces: what a boot of a version reads from its master, as blocks of the disk, with the number of its reads and the bytes that they are without
// what was read twice (docs/images.md, "Boot traces"). Pure: the marks of one recording, and when it is over. Kept in the database (TraceBook).
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace rootstock::images {

/// What reads are merged into: what a master is loaded by, and what its data is aligned to.
inline constexpr std::uint64_t trace_block_bytes = std::uint64_t{2} << 20U;

struct TraceFacts {
    std::uint64_t reads = 0;
    std::uint64_t bytes = 0;       // in whole pages of 4 KiB, each once
    std::uint64_t block_count = 0;
    std::string machine;           // whose boot it was
    WallTime recorded;
    bool operator==(const TraceFacts&) const = default;
};

struct BootTrace {
    TraceFacts facts;
    std::vector<std::uint32_t> blocks; // of trace_block_bytes of the disk, ascending
    bool operator==(const BootTrace&) const = default;
};

/// The pages of a disk that were read. At most limits::trace_blocks blocks are remembered (about 100 bytes each): what lies in others is left out.
class ReadMarks {
  public:
    /// One read, whose bytes [offset, offset + length) the master has; several where it has them in pieces.
    void add(std::uint64_t offset, std::uint64_t length);
    void count_read() { ++reads_; }
    [[nodiscard]] std::uint64_t pages() const { return pages_; }
    /// `facts.machine` and `facts.recorded` are the caller's.
    [[nodiscard]] BootTrace trace() const;

  private:
    static constexpr std::uint64_t page_bytes = 4096;
    static constexpr std::uint64_t pages_per_block = trace_block_bytes / page_bytes;
    using Pages = std::array<std::uint64_t, pages_per_block / 64>;

    std::unordered_map<std::uint32_t, Pages> blocks_;
    std::uint64_t reads_ = 0;
    std::uint64_t pages_ = 0;
};

enum class TraceVerdict : std::uint8_t {
    goes_on,
    complete,
    aborted, // the boot came to nothing: its reads are no measure
};

/// When a recording is over: a system that runs has written to its disk for the first time, which is somewhere in its start; what it reads goes on. So it
/// is over once nothing new was read for trace_quiet, or trace_after_running behind that write at the latest. A boot whose disk is closed before
/// it runs, that does not run within trace_patience, or that read nothing of the version (an initiator that only wrote), leaves no trace.
class TraceWatch {
  public:
    explicit TraceWatch(TimePoint begun) : begun_(begun) {}
    /// `pages`: read so far; `closed`: nothing will be read any more.
    [[nodiscard]] TraceVerdict look(TimePoint now, bool running, bool closed, std::uint64_t pages);

  private:
    TimePoint begun_;
    std::optional<TimePoint> running_since_;
    TimePoint last_new_; // once it runs
    std::uint64_t pages_ = 0;
};

inline constexpr std::chrono::seconds trace_quiet{5};
inline constexpr std::chrono::seconds trace_after_running{60};
inline constexpr std::chrono::minutes trace_patience{10};

/// The traces of versions; db/ implements it. All calls block until durable; thread-safe. A trace goes with its version.
class TraceBook {
  public:
    struct Row {
        std::string image;
        std::uint32_t version = 0;
        TraceFacts facts;
        bool operator==(const Row&) const = default;
    };
    virtual ~TraceBook() = default;

    /// By image and version, without their blocks.
    virtual Result<std::vector<Row>> all() = 0;
    virtual Result<std::optional<BootTrace>> find(const std::string& image, std::uint32_t version) = 0;
    /// In the place of the one before. An error when there is no such version.
    virtual Result<void> put(const std::string& image, std::uint32_t version, const BootTrace& trace) = 0;
};

} // namespace rootstock::images
