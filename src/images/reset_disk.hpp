// ResetDisk: the overlay of a machine that forgets at every boot. `PATH`: a sparse raw file as large as the disk. `PATH.owned`: one bit a sector in a
// shared mapping, behind a 4 KiB header with the kernel's boot id. Data first, then the bits, then the answer: so it survives this process. It never
// syncs anything, and does not survive the host. What it holds can be copied while it is used (copy_own): a snapshot of it.
//
// Threads: as BlockDevice, without a lock: bits are only ever set, by atomic stores, after their data. Writers pass a gate that copy_own() closes at its end.
#pragma once

#include "images/io_gate.hpp"
#include "images/overlay.hpp"
#include "images/pieces.hpp"

#include <atomic>
#include <mutex>

namespace rootstock::images {

/// `PATH.owned`, mapped: the bits, and what is known of them in memory.
class OwnedSectors {
  public:
    static constexpr std::uint64_t header_size = 4096;
    /// The map gets real space on disk in such units: a store into a hole of a mapping kills the process when the disk is full.
    static constexpr std::uint64_t unit_bytes = std::uint64_t{64} << 10U;
    static constexpr std::uint64_t unit_sectors = unit_bytes * 8;

    [[nodiscard]] static std::string path_of(const std::string& disk_path) { return disk_path + ".owned"; }
    [[nodiscard]] static Result<void> create(FileSystem& files, const std::string& disk_path, const Master& master);
    /// errc::state_not_recoverable when the host went down since.
    [[nodiscard]] static Result<std::unique_ptr<OwnedSectors>> open(FileSystem& files, const std::string& disk_path, const Master& master);

    /// No sector of the range is owned. A fast answer for areas that were never written; may say false for others.
    [[nodiscard]] bool untouched(std::uint64_t first, std::uint64_t count) const;
    void find_pieces(std::uint64_t offset, std::uint64_t length, PieceList& pieces) const;
    [[nodiscard]] std::uint64_t count_missing(std::uint64_t first, std::uint64_t count) const;
    /// Whether own() may be called; reserve() makes it so, and may block.
    [[nodiscard]] bool is_reserved(std::uint64_t first, std::uint64_t count) const;
    Result<void> reserve(std::uint64_t first, std::uint64_t count);
    /// How many of them it did not own before.
    std::uint64_t own(std::uint64_t first, std::uint64_t count);
    [[nodiscard]] std::uint64_t owned_sectors() const { return owned_.load(std::memory_order_relaxed); }

  private:
    OwnedSectors(std::unique_ptr<File> file, std::unique_ptr<Mapping> mapping, std::uint64_t sector_count, std::uint32_t sector_size);
    [[nodiscard]] std::uint64_t load(std::uint64_t index) const { return std::atomic_ref(words_[index]).load(std::memory_order_acquire); }
    Result<void> recall();

    std::unique_ptr<File> file_;
    std::unique_ptr<Mapping> mapping_;
    std::uint64_t* words_;
    std::uint32_t sector_size_;
    std::vector<std::atomic<bool>> touched_;  // by stretch of 4096 sectors: some bit may be set
    std::vector<std::atomic<bool>> reserved_; // by unit
    std::mutex reserving_;
    std::atomic<std::uint64_t> owned_ = 0;
};

class ResetDisk final : public Overlay {
  public:
    static constexpr std::size_t inline_write_bytes = std::size_t{64} << 10U;
    static constexpr std::uint64_t copied_block = std::uint64_t{2} << 20U; // what copy_own() copies at a time

    ResetDisk(std::unique_ptr<File> file, std::unique_ptr<OwnedSectors> owned, std::shared_ptr<Master> parent);

    [[nodiscard]] block::Geometry geometry() const override { return geometry_; }
    block::TryRead try_read(std::uint64_t offset, std::size_t length, bool mapping_allowed, block::ReadSink& sink) override;
    Result<void, block::IoError> read(std::uint64_t offset, MutableBytes out) override;
    block::TryWrite try_write(std::uint64_t offset, Bytes data) override;
    Result<void, block::IoError> write(std::uint64_t offset, Bytes data, bool fua) override;
    /// Nothing to do, by design: see above.
    Result<void, block::IoError> flush() override;
    Result<void, block::IoError> discard(std::uint64_t offset, std::uint64_t length) override;
    [[nodiscard]] Extent extent(std::uint64_t offset, std::uint64_t length) override;

    Result<void> close() override;
    [[nodiscard]] std::uint64_t allocated_bytes() override;
    void charge_to(std::shared_ptr<SpaceAccount> account) override;
    void settle_account() override;
    Result<void> copy_own(block::BlockDevice& copy, const std::function<bool()>& wanted) override;

  private:
    class Copy; // reset_disk_copy.cpp

    [[nodiscard]] std::optional<block::IoError> refusal(std::uint64_t offset, std::uint64_t length) const;
    [[nodiscard]] std::uint64_t sector_of(std::uint64_t offset) const { return offset / geometry_.logical_block_size; }
    Result<void, block::IoError> make_room(std::uint64_t offset, std::uint64_t length);
    [[nodiscard]] block::IoError failure(const Error& error);
    /// Of the caller, who has passed the gate.
    Result<void, block::IoError> write_passed(std::uint64_t offset, Bytes data);
    void note_change(std::uint64_t offset, std::uint64_t length);

    std::unique_ptr<File> file_;
    std::unique_ptr<OwnedSectors> owned_;
    std::shared_ptr<Master> parent_;
    block::Geometry geometry_;
    std::shared_ptr<SpaceAccount> account_ = std::make_shared<SpaceAccount>();
    std::atomic<bool> closed_ = false;
    IoGate gate_;                            // writes and discards pass it
    std::vector<std::atomic<bool>> changed_; // by block of 2 MiB: written or discarded since it was last copied
};

} // namespace rootstock::images
