#include "images/vhdx_metadata.hpp"

#include "core/checked.hpp"
#include "core/unicode.hpp"
#include "images/limits.hpp"

#include <algorithm>
#include <bit>
#include <filesystem>
#include <map>
#include <set>

namespace rootstock::images {
namespace {

using namespace vhdx;

struct KnownItem {
    Guid id;
    std::uint32_t flags; // how we write it; readers need not care
};
constexpr std::array known_items{
    KnownItem{file_parameters_item, metadata_is_required},
    KnownItem{virtual_disk_size_item, metadata_is_required | metadata_is_virtual_disk},
    KnownItem{virtual_disk_id_item, metadata_is_required | metadata_is_virtual_disk},
    KnownItem{logical_sector_size_item, metadata_is_required | metadata_is_virtual_disk},
    KnownItem{physical_sector_size_item, metadata_is_required | metadata_is_virtual_disk},
    KnownItem{parent_locator_item, metadata_is_required},
};

bool is_known(const Guid& id) {
    return std::ranges::any_of(known_items, [&](const KnownItem& item) { return item.id == id; });
}

/// The known items' bytes by id. User metadata and optional unknown items only have to be well placed.
using Items = std::map<Guid, Bytes>;

/// What has been listed: an id may stand once as the user's and once as the system's.
using Listed = std::set<std::pair<Guid, bool>>;

Result<void, VhdxError> take_item(const MetadataTableEntry& entry, Bytes region, Items& items, Listed& listed) {
    const bool empty = entry.length == 0;
    if (empty != (entry.offset == 0) || entry.length > max_metadata_item || (!empty && (entry.offset < metadata_table_size || !range_fits(entry.offset, entry.length, region.size())))) {
        return VhdxError::metadata_placement;
    }
    const bool user = (entry.flags & metadata_is_user) != 0;
    if (!listed.emplace(entry.item_id, user).second) {
        return VhdxError::metadata_twice;
    }
    if (user || !is_known(entry.item_id)) {
        return (entry.flags & metadata_is_required) != 0 ? Result<void, VhdxError>(VhdxError::metadata_unknown_required)
                                                         : Result<void, VhdxError>();
    }
    items.emplace(entry.item_id, empty ? Bytes{} : region.subspan(entry.offset, entry.length));
    return {};
}

/// Where each item lies in the region, by its start; neither kind of item may lie over another.
using Placed = std::map<std::uint32_t, std::uint32_t>;

bool overlaps(const Placed& placed, const MetadataTableEntry& entry) {
    const auto after = placed.lower_bound(entry.offset);
    if (after != placed.end() && after->first < entry.offset + entry.length) {
        return true;
    }
    return after != placed.begin() && std::prev(after)->first + std::prev(after)->second > entry.offset;
}

Result<Items, VhdxError> decode_table(Bytes region) {
    if (region.size() < metadata_table_size) {
        return VhdxError::truncated;
    }
    ByteReader reader(region.first(metadata_table_size));
    const auto header = reader.read<MetadataTableHeader>();
    if (header.signature != metadata_signature) {
        return VhdxError::metadata_signature;
    }
    if (header.entry_count > max_table_entries) {
        return VhdxError::metadata_entry_count;
    }
    Items items;
    Listed listed;
    Placed placed;
    for (std::uint16_t i = 0; i < header.entry_count; ++i) {
        const auto entry = reader.read<MetadataTableEntry>();
        if (auto taken = take_item(entry, region, items, listed); !taken) {
            return taken.error();
        }
        if (entry.length != 0 && overlaps(placed, entry)) {
            return VhdxError::metadata_overlap;
        }
        if (entry.length != 0) {
            placed.emplace(entry.offset, entry.length);
        }
    }
    return items;
}

/// Takes fixed-size items; remembers the first thing that was wrong.
class ItemReader {
  public:
    explicit ItemReader(const Items& items) : items_(items) {}

    template <class T> T value(const Guid& id) {
        const auto item = items_.find(id);
        if (item == items_.end() || item->second.size() != sizeof(T)) {
            error_ = error_.value_or(item == items_.end() ? VhdxError::metadata_missing : VhdxError::metadata_item_size);
            return {};
        }
        return from_bytes<T>(item->second);
    }
    [[nodiscard]] const std::optional<VhdxError>& error() const { return error_; }

  private:
    const Items& items_;
    std::optional<VhdxError> error_;
};

std::optional<std::string> locator_text(Bytes item, std::uint32_t offset, std::uint16_t length) {
    if (offset == 0 || length == 0 || !range_fits(offset, length, item.size())) {
        return std::nullopt;
    }
    return utf8_from_utf16le(item.subspan(offset, length));
}

Result<VhdxParentLocator, VhdxError> decode_parent_locator(Bytes item) {
    ByteReader reader(item);
    const auto header = reader.read<ParentLocatorHeader>();
    if (!reader.ok() || header.key_value_count > limits::parent_locator_entries) {
        return VhdxError::parent_locator;
    }
    if (header.locator_type != vhdx_parent_locator_type) {
        return VhdxError::parent_locator_type;
    }
    VhdxParentLocator locator;
    for (std::uint16_t i = 0; i < header.key_value_count; ++i) {
        const auto entry = reader.read<ParentLocatorEntry>();
        auto key = locator_text(item, entry.key_offset, entry.key_length);
        auto value = locator_text(item, entry.value_offset, entry.value_length);
        if (!reader.ok() || !key || !value || locator.find(*key)) {
            return VhdxError::parent_locator;
        }
        locator.entries.emplace_back(std::move(*key), std::move(*value));
    }
    if (locator.linkages().empty()) {
        return VhdxError::parent_locator_missing;
    }
    return locator;
}

ByteVector encode_parent_locator(const VhdxParentLocator& locator) {
    ByteVector item;
    ByteWriter writer(item);
    const auto count = static_cast<std::uint16_t>(locator.entries.size());
    writer.write(ParentLocatorHeader{vhdx_parent_locator_type, le16(0), le16(count)});
    const std::size_t table = item.size();
    writer.fill(count * sizeof(ParentLocatorEntry));
    for (std::size_t i = 0; i < count; ++i) {
        const auto key = utf16le_from_utf8(locator.entries[i].first);
        const auto value = utf16le_from_utf8(locator.entries[i].second);
        RS_ASSERT(key && value && key->size() <= 0xffff && value->size() <= 0xffff);
        ParentLocatorEntry entry{};
        entry.key_offset = static_cast<std::uint32_t>(item.size());
        entry.key_length = static_cast<std::uint16_t>(key->size());
        writer.append(*key);
        entry.value_offset = static_cast<std::uint32_t>(item.size());
        entry.value_length = static_cast<std::uint16_t>(value->size());
        writer.append(*value);
        writer.patch(table + i * sizeof entry, entry);
    }
    return item;
}

bool is_sector_size(std::uint32_t size) { return size == 512 || size == 4096; }

Result<void, VhdxError> check_values(const VhdxMetadata& metadata) {
    if (!std::has_single_bit(metadata.block_size) || metadata.block_size < mib || metadata.block_size > 256 * mib) {
        return VhdxError::block_size;
    }
    if (!is_sector_size(metadata.logical_sector_size) || !is_sector_size(metadata.physical_sector_size)) {
        return VhdxError::sector_size;
    }
    const std::uint64_t size = metadata.virtual_disk_size;
    if (size == 0 || size > limits::virtual_size || size % metadata.logical_sector_size != 0) {
        return VhdxError::virtual_size;
    }
    return {};
}

/// The parent locator is there exactly when FileParameters.HasParent says so ([MS-VHDX] 2.6.2.1); without HasParent it is ignored.
Result<void, VhdxError> take_parent(const Items& items, VhdxMetadata& metadata) {
    const auto item = items.find(parent_locator_item);
    if (item == items.end()) {
        return VhdxError::parent_locator_missing;
    }
    auto locator = decode_parent_locator(item->second);
    if (!locator) {
        return locator.error();
    }
    metadata.parent = std::move(*locator);
    return {};
}

} // namespace

std::optional<std::string> VhdxParentLocator::find(std::string_view key) const {
    const auto entry = std::ranges::find_if(entries, [&](const auto& pair) { return pair.first == key; });
    return entry == entries.end() ? std::nullopt : std::optional(entry->second);
}

std::vector<Guid> VhdxParentLocator::linkages() const {
    std::vector<Guid> guids;
    for (const char* key : {"parent_linkage", "parent_linkage2"}) {
        const auto text = find(key);
        const auto guid = text ? Guid::parse(*text) : std::nullopt;
        if (guid && !guid->is_nil()) { // Hyper-V writes a nil parent_linkage2 where there is none
            guids.push_back(*guid);
        }
    }
    return guids;
}

Result<VhdxMetadata, VhdxError> decode_metadata(Bytes region) {
    const auto items = decode_table(region);
    if (!items) {
        return items.error();
    }
    ItemReader reader(*items);
    const auto parameters = reader.value<FileParameters>(file_parameters_item);
    VhdxMetadata metadata;
    metadata.block_size = parameters.block_size;
    metadata.leave_block_allocated = (parameters.flags & leave_block_allocated) != 0;
    metadata.virtual_disk_size = reader.value<le64>(virtual_disk_size_item);
    metadata.virtual_disk_id = reader.value<Guid>(virtual_disk_id_item);
    metadata.logical_sector_size = reader.value<le32>(logical_sector_size_item);
    metadata.physical_sector_size = reader.value<le32>(physical_sector_size_item);
    if (reader.error()) {
        return *reader.error();
    }
    if (auto sound = check_values(metadata); !sound) {
        return sound.error();
    }
    if ((parameters.flags & has_parent) != 0) {
        if (auto taken = take_parent(*items, metadata); !taken) {
            return taken.error();
        }
    }
    return metadata;
}

ByteVector encode_metadata(const VhdxMetadata& metadata) {
    const std::uint32_t flags = (metadata.leave_block_allocated ? leave_block_allocated : 0) | (metadata.parent ? has_parent : 0);
    const FileParameters parameters{le32(metadata.block_size), le32(flags)};
    const le64 size(metadata.virtual_disk_size);
    const le32 logical(metadata.logical_sector_size);
    const le32 physical(metadata.physical_sector_size);
    const ByteVector locator = metadata.parent ? encode_parent_locator(*metadata.parent) : ByteVector{};
    const std::array<Bytes, known_items.size()> values{object_bytes(parameters), object_bytes(size),     object_bytes(metadata.virtual_disk_id),
                                                       object_bytes(logical),    object_bytes(physical), locator};
    const std::size_t count = metadata.parent ? values.size() : values.size() - 1;
    RS_ASSERT(locator.size() <= max_metadata_item - metadata_table_size);

    ByteVector region;
    ByteWriter writer(region);
    writer.write(MetadataTableHeader{metadata_signature, le16(0), le16(static_cast<std::uint16_t>(count)), {}});
    auto offset = static_cast<std::uint32_t>(metadata_table_size);
    for (std::size_t i = 0; i < count; ++i) {
        const auto length = static_cast<std::uint32_t>(values[i].size());
        writer.write(MetadataTableEntry{known_items[i].id, le32(offset), le32(length), le32(known_items[i].flags), le32(0)});
        offset += length;
    }
    writer.fill(metadata_table_size - region.size());
    for (std::size_t i = 0; i < count; ++i) {
        writer.append(values[i]);
    }
    return region;
}

VhdxParentLocator make_parent_locator(const std::string& child_path, const std::string& parent_path, const Guid& parent_data_write_guid) {
    const std::filesystem::path parent(parent_path);
    std::string relative = parent.lexically_relative(std::filesystem::path(child_path).parent_path()).string();
    if (!relative.starts_with("..")) {
        relative.insert(0, "./"); // as Windows writes it
    }
    std::ranges::replace(relative, '/', '\\');
    VhdxParentLocator locator;
    locator.entries = {{"parent_linkage", "{" + parent_data_write_guid.text() + "}"}, {"relative_path", std::move(relative)}};
    if (parent.is_absolute()) {
        std::string absolute = parent_path;
        std::ranges::replace(absolute, '/', '\\');
        locator.entries.emplace_back("absolute_win32_path", std::move(absolute));
    }
    return locator;
}

} // namespace rootstock::images
