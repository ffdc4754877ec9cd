#include "images/vhd_footer.hpp"

#include "images/limits.hpp"

#include <algorithm>
#include <numeric>

namespace rootstock::images {
namespace {

using namespace vhd;

struct DiskGeometry {
    std::uint16_t cylinders = 0;
    std::uint8_t heads = 0;
    std::uint8_t sectors_per_track = 0;
};

/// [VHD] Appendix: CHS Calculation.
DiskGeometry geometry_of(std::uint64_t size_bytes) {
    const std::uint64_t total = std::min<std::uint64_t>(size_bytes / sector, 65535ULL * 16 * 255);
    std::uint64_t sectors_per_track = 255;
    std::uint64_t heads = 16;
    std::uint64_t cylinders_times_heads = total / sectors_per_track;
    if (total < 65535ULL * 16 * 63) {
        sectors_per_track = 17;
        cylinders_times_heads = total / sectors_per_track;
        heads = std::max<std::uint64_t>((cylinders_times_heads + 1023) / 1024, 4);
        if (cylinders_times_heads >= heads * 1024 || heads > 16) {
            sectors_per_track = 31;
            heads = 16;
            cylinders_times_heads = total / sectors_per_track;
        }
        if (cylinders_times_heads >= heads * 1024) {
            sectors_per_track = 63;
            heads = 16;
            cylinders_times_heads = total / sectors_per_track;
        }
    }
    return {static_cast<std::uint16_t>(cylinders_times_heads / heads), static_cast<std::uint8_t>(heads),
            static_cast<std::uint8_t>(sectors_per_track)};
}

bool is_known(std::uint32_t type) { return type >= std::uint32_t(DiskType::fixed) && type <= std::uint32_t(DiskType::differencing); }

} // namespace

std::uint32_t vhd_checksum(Bytes structure, std::size_t checksum_offset) {
    const auto sum = [](Bytes bytes) { return std::accumulate(bytes.begin(), bytes.end(), std::uint32_t{0}); };
    return ~(sum(structure.first(checksum_offset)) + sum(structure.subspan(checksum_offset + sizeof(be32))));
}

Result<VhdFooter, VhdError> decode_vhd_footer(Bytes record) {
    if (record.size() != footer_size && record.size() != old_footer_size) {
        return VhdError::footer_none_valid;
    }
    std::array<std::uint8_t, footer_size> whole{};
    std::ranges::copy(record, whole.begin());
    const auto raw = from_bytes<FooterRecord>(whole);
    if (raw.cookie != footer_cookie || raw.checksum != vhd_checksum(whole, vhd_footer_checksum_offset)) {
        return VhdError::footer_none_valid;
    }
    if (raw.file_format_version >> 16U != version_1_0 >> 16U) {
        return VhdError::footer_version;
    }
    if (!is_known(raw.disk_type)) {
        return VhdError::disk_type;
    }
    if (raw.current_size == 0 || raw.current_size > limits::virtual_size || raw.current_size % sector != 0) {
        return VhdError::virtual_size;
    }
    return VhdFooter{static_cast<DiskType>(raw.disk_type.value()), raw.data_offset, raw.current_size, raw.time_stamp, raw.unique_id, raw.saved_state != 0};
}

ByteVector encode_vhd_footer(const VhdFooter& footer) {
    const DiskGeometry geometry = geometry_of(footer.current_size);
    FooterRecord raw{};
    raw.cookie = footer_cookie;
    raw.features = feature_reserved;
    raw.file_format_version = version_1_0;
    raw.data_offset = footer.data_offset;
    raw.time_stamp = footer.time_stamp;
    // qemu takes the size from current_size only where it knows the creator for one that means it, else from the geometry, which is less.
    raw.creator_application = {'w', 'i', 'n', ' '};
    raw.creator_version = 0x000a0000;
    raw.creator_host_os = {'W', 'i', '2', 'k'};
    raw.original_size = footer.current_size;
    raw.current_size = footer.current_size;
    raw.cylinders = geometry.cylinders;
    raw.heads = geometry.heads;
    raw.sectors_per_track = geometry.sectors_per_track;
    raw.disk_type = static_cast<std::uint32_t>(footer.type);
    raw.unique_id = footer.unique_id;
    raw.saved_state = footer.saved_state ? 1 : 0;
    raw.checksum = vhd_checksum(object_bytes(raw), vhd_footer_checksum_offset);
    const Bytes bytes = object_bytes(raw);
    return {bytes.begin(), bytes.end()};
}

std::uint32_t vhd_time_stamp(WallTime time) {
    const std::int64_t seconds = unix_ms(time) / 1000 - epoch_unix_seconds;
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(seconds, 0, 0xffffffff));
}

} // namespace rootstock::images
