#include "images/vhd_error.hpp"

#include <string>

namespace rootstock::images {

std::string_view vhd_rule(VhdError error) {
    switch (error) {
    case VhdError::footer_none_valid: return "neither the footer nor its copy has the cookie \"conectix\" and the right checksum ([VHD] Hard Disk Footer Format)";
    case VhdError::footer_version: return "the footer's version is not 1.x ([VHD] Hard Disk Footer Format)";
    case VhdError::disk_type: return "the disk's type is not fixed, dynamic or differencing ([VHD] Hard Disk Footer Format)";
    case VhdError::virtual_size: return "the disk's size is 0, too large or no multiple of 512 ([VHD] Hard Disk Footer Format)";
    case VhdError::fixed_too_short: return "the file is shorter than the fixed disk that it holds ([VHD] Fixed Hard Disk Image)";
    case VhdError::header_placement: return "the dynamic disk header is not within the file ([VHD] Hard Disk Footer Format, Data Offset)";
    case VhdError::header_invalid: return "the dynamic disk header has no cookie \"cxsparse\" or a wrong checksum ([VHD] Dynamic Disk Header Format)";
    case VhdError::header_version: return "the dynamic disk header's version is not 1.x ([VHD] Dynamic Disk Header Format)";
    case VhdError::block_size: return "the block size is not a power of two from 4 KiB to 256 MiB ([VHD] Dynamic Disk Header Format)";
    case VhdError::table_placement: return "the block allocation table is not within the file ([VHD] Dynamic Disk Header Format, Table Offset)";
    case VhdError::table_too_small: return "the block allocation table has fewer entries than the disk has blocks ([VHD] Dynamic Disk Header Format)";
    case VhdError::table_too_large: return "the block allocation table has more than the 4194304 entries that are read (2 TiB in blocks of 512 KiB)";
    case VhdError::block_placement: return "a block lies beyond the end of the file ([VHD] Block Allocation Table and Data Blocks)";
    case VhdError::block_overlap: return "a block lies over another block, a header or the table ([VHD] Block Allocation Table and Data Blocks)";
    case VhdError::parent_name_missing: return "the differencing disk names no parent ([VHD] Dynamic Disk Header Format, Parent Locator Entries)";
    case VhdError::parent_locator: return "a parent locator's data is not within the file or no text ([VHD] Dynamic Disk Header Format)";
    }
    return "";
}

Error vhd_failure(std::string_view path, VhdError error) {
    std::string what(path);
    what += " is damaged or no VHD file: ";
    what += vhd_rule(error);
    what += "; restore it from a copy";
    return make_error(std::errc::illegal_byte_sequence, std::move(what));
}

} // namespace rootstock::images
