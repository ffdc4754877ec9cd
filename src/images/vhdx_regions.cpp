#include "images/vhdx_regions.hpp"

#include "images/vhdx_checksum.hpp"

#include <algorithm>
#include <set>

namespace rootstock::images {
namespace {

using namespace vhdx;

bool is_valid(Bytes table) {
    return table.size() == region_table_size && from_bytes<RegionTableHeader>(table).signature == region_signature &&
           vhdx_checksum_matches(table);
}

bool is_well_placed(const VhdxRegion& region) {
    return region.offset >= header_section_size && region.offset % alignment == 0 && region.length != 0 && region.length % alignment == 0 &&
           checked_add<std::uint64_t>(region.offset, region.length).has_value();
}

/// Puts one entry where it belongs; a region that stands there already, or that must be understood and is not, is refused.
Result<void, VhdxError> take_entry(const RegionTableEntry& entry, VhdxRegions& regions, std::set<Guid>& listed) {
    const VhdxRegion region{entry.file_offset, entry.length};
    if (!is_well_placed(region)) {
        return VhdxError::region_placement;
    }
    if (!listed.insert(entry.guid).second) {
        return VhdxError::region_twice;
    }
    if (entry.guid == bat_region || entry.guid == metadata_region) {
        (entry.guid == bat_region ? regions.bat : regions.metadata) = region;
        return {};
    }
    if ((entry.flags & region_required) != 0) {
        return VhdxError::region_unknown_required;
    }
    regions.others.push_back(region);
    return {};
}

bool overlap(const VhdxRegions& regions) {
    std::vector<VhdxRegion> all = regions.others;
    all.push_back(regions.bat);
    all.push_back(regions.metadata);
    std::ranges::sort(all, {}, &VhdxRegion::offset);
    return std::ranges::adjacent_find(all, [](const auto& a, const auto& b) { return a.end() > b.offset; }) != all.end();
}

} // namespace

Result<VhdxRegions, VhdxError> decode_region_table(Bytes table) {
    if (!is_valid(table)) {
        return VhdxError::region_table_none_valid;
    }
    ByteReader reader(table);
    const auto header = reader.read<RegionTableHeader>();
    if (header.entry_count > max_table_entries) {
        return VhdxError::region_entry_count;
    }
    VhdxRegions regions;
    std::set<Guid> listed;
    for (std::uint32_t i = 0; i < header.entry_count; ++i) {
        if (auto taken = take_entry(reader.read<RegionTableEntry>(), regions, listed); !taken) {
            return taken.error();
        }
    }
    if (regions.bat.length == 0 || regions.metadata.length == 0) {
        return VhdxError::region_missing;
    }
    if (overlap(regions)) {
        return VhdxError::region_overlap;
    }
    return regions;
}

Result<VhdxRegions, VhdxError> choose_region_table(Bytes first, Bytes second) {
    return decode_region_table(is_valid(first) ? first : second);
}

ByteVector encode_region_table(const VhdxRegions& regions) {
    ByteVector table;
    table.reserve(region_table_size);
    ByteWriter writer(table);
    writer.write(RegionTableHeader{region_signature, le32(0), le32(2), le32(0)});
    writer.write(RegionTableEntry{bat_region, le64(regions.bat.offset), le32(regions.bat.length), le32(region_required)});
    writer.write(RegionTableEntry{metadata_region, le64(regions.metadata.offset), le32(regions.metadata.length), le32(region_required)});
    writer.fill(region_table_size - table.size());
    put_vhdx_checksum(table);
    return table;
}

} // namespace rootstock::images
