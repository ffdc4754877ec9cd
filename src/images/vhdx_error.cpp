#include "images/vhdx_error.hpp"

#include <string>

namespace rootstock::images {

std::string_view vhdx_rule(VhdxError error) {
    switch (error) {
    case VhdxError::truncated: return "the file ends inside a structure that it must hold whole ([MS-VHDX] 2.1)";
    case VhdxError::not_vhdx: return "it does not start with the signature \"vhdxfile\" ([MS-VHDX] 2.2.1)";
    case VhdxError::header_none_valid: return "neither header has the signature \"head\" and the right checksum ([MS-VHDX] 2.2.2)";
    case VhdxError::header_same_sequence: return "both headers have one sequence number and differ ([MS-VHDX] 2.2.2)";
    case VhdxError::header_version: return "the header's version is not 1 ([MS-VHDX] 2.2.2)";
    case VhdxError::header_log_placement: return "the header's log is not at a multiple of 1 MiB behind the first ([MS-VHDX] 2.2.2)";
    case VhdxError::region_table_none_valid: return "neither region table has the signature \"regi\" and the right checksum ([MS-VHDX] 2.2.3)";
    case VhdxError::region_entry_count: return "the region table has more than 2047 entries ([MS-VHDX] 2.2.3.1)";
    case VhdxError::region_placement: return "a region is not at a multiple of 1 MiB behind the first ([MS-VHDX] 2.2.3.2)";
    case VhdxError::region_overlap: return "two regions, or a region and the log, overlap ([MS-VHDX] 2.2.3.2)";
    case VhdxError::region_beyond_end: return "a region or the log reaches beyond the end of the file ([MS-VHDX] 2.1)";
    case VhdxError::region_twice: return "the region table lists a region twice ([MS-VHDX] 2.2.3.2)";
    case VhdxError::region_unknown_required: return "the region table requires a region that is not known ([MS-VHDX] 2.2.3.2)";
    case VhdxError::region_missing: return "the BAT or the metadata region is missing ([MS-VHDX] 2.2.3)";
    case VhdxError::metadata_signature: return "the metadata table has no signature \"metadata\" ([MS-VHDX] 2.6.1.1)";
    case VhdxError::metadata_too_large: return "the metadata region is larger than the 16 MiB that are read";
    case VhdxError::metadata_entry_count: return "the metadata table has more than 2047 entries ([MS-VHDX] 2.6.1.1)";
    case VhdxError::metadata_placement: return "a metadata item is not behind the table and within the region ([MS-VHDX] 2.6.1.2)";
    case VhdxError::metadata_overlap: return "two metadata items overlap ([MS-VHDX] 2.6.1.2)";
    case VhdxError::metadata_twice: return "the metadata table lists an item twice ([MS-VHDX] 2.6.1.2)";
    case VhdxError::metadata_unknown_required: return "the metadata table requires an item that is not known ([MS-VHDX] 2.6.1.2)";
    case VhdxError::metadata_missing: return "a required metadata item is missing ([MS-VHDX] 2.6.2)";
    case VhdxError::metadata_item_size: return "a metadata item has the wrong size ([MS-VHDX] 2.6.2)";
    case VhdxError::block_size: return "the block size is not a power of two from 1 MiB to 256 MiB ([MS-VHDX] 2.6.2.1)";
    case VhdxError::sector_size: return "a sector size is neither 512 nor 4096 ([MS-VHDX] 2.6.2.4, 2.6.2.5)";
    case VhdxError::virtual_size: return "the disk's size is 0, above 64 TiB or no multiple of its sectors ([MS-VHDX] 2.6.2.2)";
    case VhdxError::parent_locator: return "the parent locator's entries are damaged ([MS-VHDX] 2.6.2.6)";
    case VhdxError::parent_locator_type: return "the parent locator is of an unknown type ([MS-VHDX] 2.6.2.6.1)";
    case VhdxError::parent_locator_missing: return "the disk has a parent and no parent locator with parent_linkage ([MS-VHDX] 2.6.2.6.3)";
    case VhdxError::bat_too_small: return "the BAT region is too small for the disk ([MS-VHDX] 2.5)";
    case VhdxError::bat_too_large: return "the BAT is larger than the 257 MiB that are read (64 TiB in blocks of 2 MiB)";
    case VhdxError::bat_state: return "a BAT entry has a state that is not defined ([MS-VHDX] 2.5.1)";
    case VhdxError::bat_reserved_bits: return "a BAT entry has reserved bits set ([MS-VHDX] 2.5.1)";
    case VhdxError::bat_placement: return "a block lies in the first 1 MiB or beyond the end of the file ([MS-VHDX] 2.5.1)";
    case VhdxError::bat_overlap: return "a block lies over another block, a region or the log ([MS-VHDX] 2.5.1)";
    case VhdxError::bat_bitmap_missing: return "a partially present block has no sector bitmap block ([MS-VHDX] 2.5.1.1)";
    case VhdxError::bat_partial_without_parent: return "a partially present block in a disk without a parent ([MS-VHDX] 2.5.1.1)";
    case VhdxError::log_version: return "the log's version is not 0 ([MS-VHDX] 2.2.2)";
    case VhdxError::log_too_large: return "the log is larger than the 64 MiB that are read";
    case VhdxError::log_no_valid_sequence: return "the header names a log, and the log has no valid sequence of entries ([MS-VHDX] 2.3.2)";
    case VhdxError::log_file_truncated: return "the file is shorter than its log says it was ([MS-VHDX] 2.3.3)";
    case VhdxError::log_outside_file: return "the log changes bytes that no log may change ([MS-VHDX] 2.3.1)";
    }
    return "";
}

Error vhdx_failure(std::string_view path, VhdxError error) {
    std::string what(path);
    what += " is damaged or no VHDX file: ";
    what += vhdx_rule(error);
    what += "; restore it from a copy";
    return make_error(std::errc::illegal_byte_sequence, std::move(what));
}

} // namespace rootstock::images
