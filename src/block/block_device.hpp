// BlockDevice: a range of bytes that can be read and written in place, wherever they live (a mapped master, an overlay, memory, one day a
// Ceph clone). SCSI names the I/O, the iSCSI edge performs it through this interface. Devices may wrap one another.
//
// Threads: every call is thread-safe. `try_*` never block and may be called on a shard. All others may block: call them where net/offload
// puts them. Overlapping concurrent writes have an undefined order, as on any disk; each logical block is written whole or not.
// Ranges: the caller passes only ranges that lie within geometry().size_bytes and are multiples of the logical block size.
#pragma once

#include "core/bytes.hpp"
#include "core/result.hpp"

#include <memory>

namespace rootstock::block {

struct Geometry {
    std::uint64_t size_bytes = 0;
    std::uint32_t logical_block_size = 512;   // 512 or 4096
    std::uint32_t physical_block_size = 4096;
    std::uint32_t discard_granularity = 0;    // bytes that give space back when discarded together; 0: discard() only writes zeros
    bool read_only = false;
};

/// Why an I/O failed. scsi/ maps each to sense data in one place.
enum class IoError : std::uint8_t {
    out_of_range, // not within the device: a caller's mistake that must not pass
    read_only,
    no_space,     // the store's file system is full: DATA PROTECT / SPACE ALLOCATION FAILED
    quota,        // the machine's own limit: the same sense, another event
    medium,       // EIO, a damaged structure
    miscompare,   // COMPARE AND WRITE, VERIFY
    gone,         // the device was taken away (fenced, deleted, parent changed)
};

/// Receives the pieces of a read, in order, on the calling thread.
class ReadSink {
  public:
    virtual ~ReadSink() = default;
    /// Bytes of a read-only mapping, valid as long as the device. Only to be handed to the kernel (sendmsg), never touched: a
    /// truncated file behind it then costs an EFAULT instead of a SIGBUS.
    virtual void mapped(Bytes bytes) = 0;
    /// A writable piece of `size` bytes for the device to fill before its call returns.
    virtual MutableBytes buffer(std::size_t size) = 0;
    /// `size` zero bytes.
    virtual void zeros(std::size_t size) = 0;
};

/// Brings one chunk of something shared (a master) into memory. Blocking; runs in the offload pool, once for all who wait (single_flight).
class Loader {
  public:
    virtual ~Loader() = default;
    virtual Result<void, IoError> load(std::uint64_t chunk) = 0;
};

/// What a read that would block is waiting for. No loader: nothing is shared, call read() off the shard.
struct Miss {
    std::shared_ptr<Loader> loader;
    std::uint64_t chunk = 0;
};

enum class TryStatus : std::uint8_t { done, would_block, failed };

struct TryRead {
    TryStatus status = TryStatus::done;
    IoError error{}; // when failed
    Miss miss;       // when would_block; the sink's pieces are then to be dropped
};

struct TryWrite {
    TryStatus status = TryStatus::done;
    IoError error{};
};

class BlockDevice {
  public:
    virtual ~BlockDevice() = default;

    [[nodiscard]] virtual Geometry geometry() const = 0;

    /// Fills `sink` with exactly `length` bytes, or says what to wait for. `mapping_allowed` false (digests, small memory): only buffer() and
    /// zeros() are used, so the bytes may be touched.
    virtual TryRead try_read(std::uint64_t offset, std::size_t length, bool mapping_allowed, ReadSink& sink) = 0;
    virtual Result<void, IoError> read(std::uint64_t offset, MutableBytes out) = 0;

    /// Acknowledged once returned: survives the death of this process, and power loss after the next flush(). would_block: call write().
    virtual TryWrite try_write(std::uint64_t offset, Bytes data) = 0;
    /// `fua`: also survives power loss once returned.
    virtual Result<void, IoError> write(std::uint64_t offset, Bytes data, bool fua) = 0;

    /// All writes acknowledged before the call survive power loss once it returns.
    virtual Result<void, IoError> flush() = 0;

    /// The range reads as zeros from now on, and its space is given back where that is possible (LBPRZ = 1 always holds).
    virtual Result<void, IoError> discard(std::uint64_t offset, std::uint64_t length) = 0;
    /// Zeros that keep the space allocated. By default the same as discard().
    virtual Result<void, IoError> write_zeros(std::uint64_t offset, std::uint64_t length) { return discard(offset, length); }

    /// Whether [offset, ...) is mapped or deallocated (GET LBA STATUS), for at most `length` bytes.
    struct Extent {
        std::uint64_t length = 0;
        bool mapped = true;
    };
    [[nodiscard]] virtual Extent extent(std::uint64_t offset, std::uint64_t length) { (void)offset; return {length, true}; }
};

} // namespace rootstock::block
