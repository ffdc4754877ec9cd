#include "images/live_map.hpp"

#include "core/wire_int.hpp"

#include <atomic>

namespace rootstock::images {
namespace {

constexpr std::array<char, 8> live_magic{'r', 's', '-', 'l', 'i', 'v', 'e', '1'};
constexpr std::uint64_t mib = std::uint64_t{1} << 20U;

struct LiveHeader {
    std::array<char, 8> magic{}; // written last: a header is there whole or not at all
    std::uint64_t active = 0;    // 0 or 1
    std::uint64_t half_changes = 0;
    Guid session;
    std::array<char, 40> boot_id{};
};
static_assert(sizeof(LiveHeader) <= live_header_size && std::is_trivially_copyable_v<LiveHeader>);

constexpr unsigned block_shift = 3;
constexpr unsigned payload_shift = 28;
constexpr unsigned sector_bits = 12;
constexpr std::uint64_t block_mask = live_max_blocks - 1;
constexpr std::uint64_t sector_mask = live_max_sectors_per_block - 1;

/// One store that another process sees whole, and never before the stores in front of it.
void publish(std::uint64_t& word, std::uint64_t value) { std::atomic_ref<std::uint64_t>(word).store(value, std::memory_order_release); }

std::array<char, 40> boot_id_field(const FileSystem& files) {
    std::array<char, 40> field{};
    const std::string id = files.boot_id();
    std::memcpy(field.data(), id.data(), std::min(id.size(), field.size()));
    return field;
}

/// An earlier map's file is used again: on a full disk there may be no space for another.
Result<std::unique_ptr<File>> open_file(FileSystem& files, const std::string& path) {
    Result<std::unique_ptr<File>> file = files.open(path, files.exists(path) ? OpenMode::read_write : OpenMode::create_new);
    if (!file) {
        return file;
    }
    // Real space for every page: a store into a hole of a mapping kills the process with SIGBUS when the disk is full.
    if (const Result<void> allocated = (*file)->allocate(0, live_file_size); !allocated) {
        return allocated.error();
    }
    return file;
}

Result<void> read_half(File& file, std::uint64_t index, std::vector<LiveChange>& changes) {
    std::vector<std::uint64_t> words(live_half_changes);
    const MutableBytes bytes(reinterpret_cast<std::uint8_t*>(words.data()), words.size() * sizeof(std::uint64_t));
    if (Result<void> read = file.read_at(live_header_size + index * bytes.size(), bytes); !read) {
        return read;
    }
    for (std::size_t at = 0; at < words.size() && words[at] != 0; ++at) {
        const std::optional<LiveChange> change = decode_change(words[at]);
        if (!change) {
            return make_error(std::errc::illegal_byte_sequence,
                              file.path() + " is damaged: it holds a change of an unknown kind. Writes that were not flushed are lost; delete the file "
                                            "to open the disk as it was last flushed.");
        }
        changes.push_back(*change);
    }
    return {};
}

} // namespace

std::uint64_t encode_change(const LiveChange& change) {
    RS_ASSERT(change.block < live_max_blocks);
    std::uint64_t payload = 0;
    switch (change.kind) {
    case OwnershipChange::own_sectors: payload = change.first | (change.count - 1) << sector_bits; break;
    case OwnershipChange::zero_blocks: payload = change.count - 1; break;
    case OwnershipChange::assign_partial:
    case OwnershipChange::assign_full: payload = change.file_offset / mib; break;
    }
    return static_cast<std::uint64_t>(change.kind) | change.block << block_shift | payload << payload_shift;
}

std::optional<LiveChange> decode_change(std::uint64_t word) {
    LiveChange change;
    change.kind = static_cast<OwnershipChange>(word & 7U);
    change.block = word >> block_shift & block_mask;
    const std::uint64_t payload = word >> payload_shift;
    switch (change.kind) {
    case OwnershipChange::own_sectors:
        change.first = payload & sector_mask;
        change.count = (payload >> sector_bits & sector_mask) + 1;
        return change;
    case OwnershipChange::zero_blocks: change.count = (payload & block_mask) + 1; return change;
    case OwnershipChange::assign_partial:
    case OwnershipChange::assign_full: change.file_offset = payload * mib; return change;
    }
    return std::nullopt;
}

Result<std::vector<LiveChange>> LiveMap::left_behind(FileSystem& files, const std::string& disk_path, const Guid& session) {
    const std::string path = path_of(disk_path);
    std::vector<LiveChange> changes;
    if (!files.exists(path)) {
        return changes;
    }
    const Result<std::unique_ptr<File>> file = files.open(path, OpenMode::read_only);
    if (!file) {
        return file.error();
    }
    const Result<std::uint64_t> size = (*file)->size();
    if (!size) {
        return size.error();
    }
    if (*size < live_file_size) {
        return changes; // death while it was being made: nothing had been answered yet
    }
    LiveHeader header;
    if (const Result<void> read = (*file)->read_at(0, object_bytes(header)); !read) {
        return read.error();
    }
    if (header.magic != live_magic || header.half_changes != live_half_changes || header.boot_id != boot_id_field(files) ||
        header.session != session || header.active > 1) {
        return changes;
    }
    for (const std::uint64_t index : {1 - header.active, header.active}) {
        if (const Result<void> read = read_half(**file, index, changes); !read) {
            return read.error();
        }
    }
    return changes;
}

Result<std::unique_ptr<LiveMap>> LiveMap::create(FileSystem& files, const std::string& disk_path, const Guid& session) {
    Result<std::unique_ptr<File>> file = open_file(files, path_of(disk_path));
    if (!file) {
        return file.error();
    }
    Result<std::unique_ptr<Mapping>> mapping = (*file)->map_shared(live_file_size);
    if (!mapping) {
        return mapping.error();
    }
    const MutableBytes bytes = (*mapping)->bytes();
    publish(*reinterpret_cast<std::uint64_t*>(bytes.data()), 0);
    std::memset(bytes.data() + sizeof(std::uint64_t), 0, bytes.size() - sizeof(std::uint64_t));
    LiveHeader header{{}, 0, live_half_changes, session, boot_id_field(files)};
    std::memcpy(bytes.data(), &header, sizeof header);
    std::uint64_t magic = 0;
    std::memcpy(&magic, live_magic.data(), sizeof magic);
    publish(*reinterpret_cast<std::uint64_t*>(bytes.data()), magic);
    return std::unique_ptr<LiveMap>(new LiveMap(std::move(*mapping)));
}

std::uint64_t* LiveMap::half(std::size_t index) {
    return reinterpret_cast<std::uint64_t*>(mapping_->bytes().data() + live_header_size) + index * live_half_changes;
}

void LiveMap::append(const LiveChange& change) {
    // A sequential stream is one change that grows, not one per write.
    const bool continues = used_ > 0 && change.kind == OwnershipChange::own_sectors && last_.kind == change.kind && last_.block == change.block &&
                           last_.first + last_.count == change.first;
    if (continues) {
        last_.count += change.count;
        publish(half(active_)[used_ - 1], encode_change(last_));
        return;
    }
    RS_ASSERT(used_ < live_half_changes);
    publish(half(active_)[used_++], encode_change(change));
    last_ = change;
}

void LiveMap::begin_flush() {
    RS_ASSERT(flushing_ == 0);
    flushing_ = std::exchange(used_, 0);
    active_ = 1 - active_;
    publish(*reinterpret_cast<std::uint64_t*>(mapping_->bytes().data() + offsetof(LiveHeader, active)), active_);
}

void LiveMap::end_flush() {
    std::uint64_t* const words = half(1 - active_);
    for (std::size_t at = 0; at < flushing_; ++at) {
        publish(words[at], 0); // the first store empties the half for whoever reads it after our death
    }
    flushing_ = 0;
}

} // namespace rootstock::images
