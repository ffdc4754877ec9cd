// Cdb: the fields of a command descriptor block (SPC-4 section 4.2, SBC-3 section 5). A copy of 16 bytes, padded with zeros; pure.
#pragma once

#include "core/bytes.hpp"
#include "core/wire_int.hpp"

#include <algorithm>
#include <array>

namespace rootstock::scsi {

inline constexpr std::size_t max_cdb_length = 16;
using CdbBytes = std::array<std::uint8_t, max_cdb_length>;

/// A start address and a number of blocks, as the CDB gives them.
struct BlockAddress {
    std::uint64_t lba = 0;
    std::uint32_t count = 0;
};

/// CDB length by the group code of the operation code (SPC-4 4.2.5.1); 0: none of ours.
[[nodiscard]] constexpr std::uint8_t cdb_length_of(std::uint8_t opcode) {
    switch (opcode >> 5U) {
    case 0: return 6;
    case 1:
    case 2: return 10;
    case 4: return 16;
    case 5: return 12;
    default: return 0;
    }
}

class Cdb {
  public:
    explicit Cdb(Bytes bytes) {
        if (bytes.size() >= max_cdb_length) [[likely]] {
            std::memcpy(bytes_.data(), bytes.data(), max_cdb_length);
        } else {
            std::copy(bytes.begin(), bytes.end(), bytes_.begin());
        }
    }

    [[nodiscard]] std::uint8_t opcode() const { return bytes_[0]; }
    [[nodiscard]] std::uint8_t service_action() const { return bytes_[1] & 0x1fU; }
    [[nodiscard]] std::uint8_t operator[](std::size_t index) const { return bytes_[index]; }
    [[nodiscard]] bool bit(std::size_t byte, unsigned bit) const { return (unsigned{bytes_[byte]} >> bit & 1U) != 0; }
    [[nodiscard]] std::uint16_t u16(std::size_t offset) const { return from_bytes<be16>(from(offset)).value(); }
    [[nodiscard]] std::uint32_t u32(std::size_t offset) const { return from_bytes<be32>(from(offset)).value(); }
    [[nodiscard]] std::uint64_t u64(std::size_t offset) const { return from_bytes<be64>(from(offset)).value(); }
    [[nodiscard]] Bytes bytes() const { return bytes_; }
    [[nodiscard]] std::uint8_t length() const { return cdb_length_of(opcode()); }

    /// LBA and transfer length where all block commands of one length have them (READ, WRITE, VERIFY, ORWRITE, WRITE SAME, ...).
    /// In a 6-byte CDB the count 0 means 256 (SBC-3 5.10).
    [[nodiscard]] BlockAddress block_address() const {
        switch (length()) {
        case 6: {
            const std::uint32_t lba = (bytes_[1] & 0x1fU) << 16U | std::uint32_t{bytes_[2]} << 8U | bytes_[3];
            return {lba, bytes_[4] == 0 ? 256U : bytes_[4]};
        }
        case 10: return {u32(2), u16(7)};
        case 12: return {u32(2), u32(6)};
        default: return {u64(2), u32(10)};
        }
    }
    /// Where the transfer length field of block_address() begins.
    [[nodiscard]] std::uint16_t transfer_length_offset() const {
        switch (length()) {
        case 6: return 4;
        case 10: return 7;
        case 12: return 6;
        default: return 10;
        }
    }

  private:
    [[nodiscard]] Bytes from(std::size_t offset) const { return Bytes(bytes_).subspan(offset); }

    CdbBytes bytes_{};
};

} // namespace rootstock::scsi
