// Mode pages (SPC-4 section 7.5, SBC-3 section 6.5, MMC-6 section 7): read-write error recovery, caching, control, CD capabilities. MODE SENSE and MODE SELECT, 6 and 10.
// Threads: ModeState is lock-free; the rest is pure.
#pragma once

#include "core/bytes.hpp"
#include "core/result.hpp"
#include "scsi/sense.hpp"

#include <atomic>

namespace rootstock::scsi {

/// Which pages a unit has. CD drives have no block descriptors, and no flags in the header.
enum class ModePageSet : std::uint8_t { disk = 1, cdrom = 2 };

/// What initiators may change: D_SENSE and SWP of the control page. Shared by all nexuses, not saved.
class ModeState {
  public:
    explicit ModeState(ModePageSet pages = ModePageSet::disk) : pages_(pages) {}
    [[nodiscard]] ModePageSet pages() const { return pages_; }
    [[nodiscard]] bool descriptor_sense() const { return descriptor_sense_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool software_write_protect() const { return software_write_protect_.load(std::memory_order_relaxed); }
    void set(bool descriptor_sense, bool software_write_protect) {
        descriptor_sense_.store(descriptor_sense, std::memory_order_relaxed);
        software_write_protect_.store(software_write_protect, std::memory_order_relaxed);
    }

  private:
    const ModePageSet pages_;
    std::atomic<bool> descriptor_sense_{false};
    std::atomic<bool> software_write_protect_{false};
};

enum class PageControl : std::uint8_t { current = 0, changeable = 1, defaults = 2, saved = 3 };

/// The fields of MODE SENSE that both lengths share, and what the medium says.
struct ModeSense {
    PageControl control = PageControl::current;
    std::uint8_t page = 0;
    std::uint8_t subpage = 0;
    bool no_block_descriptor = false; // DBD
    bool long_lba = false;            // LLBAA, MODE SENSE(10) only
    bool write_protected = false;
    bool removal_prevented = false;
    std::uint64_t block_count = 0;
    std::uint32_t block_size = 512;
};

enum class ModeHeader : std::uint8_t { six, ten };

/// The whole parameter data of MODE SENSE. Fails with INVALID FIELD IN CDB for a page we do not have.
[[nodiscard]] Result<ByteVector, Sense> mode_sense(const ModeSense& request, ModeHeader header, const ModeState& state);

/// Applies a MODE SELECT parameter list, or nothing of it. True: something has changed.
[[nodiscard]] Result<bool, Sense> mode_select(Bytes list, ModeHeader header, std::uint32_t block_size, ModeState& state);

} // namespace rootstock::scsi
