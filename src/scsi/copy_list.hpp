// The parameter list of EXTENDED COPY(LID1) (SPC-4 sections 5.17.7 and 6.4.3 to 6.4.6): what it says, before anybody asks whether the units and
// blocks in it exist. Hostile input: every length is bounded by limits::copy_*. Pure.
#pragma once

#include "core/bytes.hpp"
#include "core/result.hpp"
#include "scsi/sense.hpp"

#include <array>
#include <vector>

namespace rootstock::scsi {

/// The descriptor types that we have, as VPD page 8F and RECEIVE COPY OPERATING PARAMETERS list them: ascending.
inline constexpr std::uint8_t block_to_block_segment = 0x02;
inline constexpr std::uint8_t identification_cscd = 0xe4;
/// The CSCD descriptor ID that needs no descriptor: the unit that the command was sent to (SPC-4 table 148).
inline constexpr std::uint16_t own_cscd_id = 0xffff;

/// LIST ID USAGE (SPC-4 table 141).
enum class ListIdUsage : std::uint8_t { hold = 0, discard = 2, none = 3 };

/// An identification descriptor: the unit by one of its designators (6.4.5.3).
struct CscdDescriptor {
    std::uint16_t position = 0; // in the list
    std::uint8_t device_type = 0;
    std::uint8_t code_set = 0;
    std::uint8_t association_and_type = 0;
    std::uint32_t block_length = 0;
    ByteVector designator;
};

/// Block to block (6.4.6.5). DC and CAT make no difference between blocks of one size.
struct CopySegmentDescriptor {
    std::uint16_t position = 0; // in the list
    std::uint16_t source = 0;
    std::uint16_t destination = 0;
    std::uint16_t block_count = 0;
    std::uint64_t source_lba = 0;
    std::uint64_t destination_lba = 0;
};

struct CopyList {
    std::uint8_t list_identifier = 0;
    ListIdUsage usage = ListIdUsage::hold;
    std::vector<CscdDescriptor> cscds;
    std::vector<CopySegmentDescriptor> segments;
};

/// MAXIMUM DESCRIPTOR LIST LENGTH, and the bytes of a list that is as long as it may be.
[[nodiscard]] std::uint32_t max_copy_descriptors_size();
[[nodiscard]] std::uint32_t max_copy_list_size();

/// `list`: all PARAMETER LIST LENGTH bytes, at least one.
[[nodiscard]] Result<CopyList, Sense> decode_copy_list(Bytes list);

} // namespace rootstock::scsi
