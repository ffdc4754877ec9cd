// VhdxInspector: an independent reader of VHDX files, written from [MS-VHDX] alone. It shares no code with src/images, so that the writer and its checker
// cannot make the same mistake: own checksums, own layout, own replay of the log. For tests: structure, and contents as another program would see them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace rootstock::test {

struct VhdxReport {
    std::vector<std::string> problems; // each rule that is broken, in words; empty: the file is sound
    bool dirty = false;                // the log was not empty; all below is as after its replay
    std::uint64_t virtual_size = 0;
    std::uint32_t block_size = 0;
    std::uint32_t logical_sector_size = 0;
    std::uint32_t physical_sector_size = 0;
    bool differencing = false;
    std::string file_write_guid; // lower case, no braces
    std::string data_write_guid;
    std::map<std::string, std::string> parent_locator;
    std::uint64_t full_blocks = 0;
    std::uint64_t partial_blocks = 0;
    std::uint64_t zero_blocks = 0;
    std::uint64_t owned_sectors = 0; // of full and partial blocks
    std::uint64_t log_entries = 0;   // of the active sequence

    [[nodiscard]] bool sound() const { return problems.empty(); }
    [[nodiscard]] std::string text() const; // all problems, one a line: for INFO()
};

class VhdxInspector {
  public:
    /// Fills `out` from byte `offset` of the file; only called within its size.
    using ReadAt = std::function<void(std::uint64_t offset, std::span<std::uint8_t> out)>;
    /// Contents of the parent disk; beyond its end: zeros.
    using ParentRead = std::function<void(std::uint64_t offset, std::span<std::uint8_t> out)>;

    VhdxInspector(ReadAt read, std::uint64_t file_size);
    explicit VhdxInspector(const std::string& path);

    [[nodiscard]] const VhdxReport& report() const { return report_; }
    /// The disk's contents, sector by sector by the book. `parent`: needed by a differencing disk alone.
    [[nodiscard]] std::vector<std::uint8_t> read(std::uint64_t offset, std::uint64_t length, const ParentRead& parent = {}) const;

  private:
    struct Entry {
        std::uint64_t length = 0;
        std::uint64_t tail = 0;
        std::uint64_t number = 0;
        std::uint64_t flushed = 0;
        std::uint64_t last = 0;
        std::vector<std::uint8_t> bytes;
    };
    struct Block {
        unsigned state = 0;
        std::uint64_t offset = 0;
    };

    void inspect();
    bool inspect_header();
    void inspect_log();
    void replay(const Entry& entry);
    bool inspect_regions();
    bool inspect_metadata();
    void inspect_parent_locator(std::span<const std::uint8_t> item);
    void inspect_bat();
    void inspect_block(std::uint64_t block, std::uint64_t raw);
    void inspect_overlaps();
    void problem(std::string text) { report_.problems.push_back(std::move(text)); }
    void own(std::uint64_t offset, std::uint64_t length, std::string what);
    [[nodiscard]] std::vector<std::uint8_t> raw(std::uint64_t offset, std::uint64_t length) const; // of the file, beyond its end zeros
    [[nodiscard]] std::vector<std::uint8_t> bytes(std::uint64_t offset, std::uint64_t length) const; // after the replay
    [[nodiscard]] bool owns_sector(std::uint64_t sector) const;

    ReadAt read_;
    std::uint64_t file_size_;
    VhdxReport report_;
    std::map<std::uint64_t, std::vector<std::uint8_t>> pages_; // replayed, by offset
    std::string log_guid_;
    std::uint64_t log_offset_ = 0;
    std::uint64_t log_length_ = 0;
    std::uint64_t bat_offset_ = 0;
    std::uint64_t bat_length_ = 0;
    std::uint64_t metadata_offset_ = 0;
    std::uint64_t metadata_length_ = 0;
    std::uint64_t chunk_ratio_ = 0;
    std::vector<Block> blocks_;
    std::vector<Block> bitmaps_;
    std::vector<std::vector<std::uint8_t>> bitmap_bytes_; // of the present ones, where a partial block needs it
    struct Stretch {
        std::uint64_t offset;
        std::uint64_t length;
        std::string what;
    };
    std::vector<Stretch> owned_;
};

} // namespace rootstock::test
