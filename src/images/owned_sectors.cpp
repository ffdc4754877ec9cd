#include "core/checked.hpp"
#include "images/bit_runs.hpp"
#include "images/reset_disk.hpp"

namespace rootstock::images {
namespace {

constexpr std::array<char, 8> owned_magic{'r', 's', '-', 'o', 'w', 'n', 'd', '1'};
constexpr std::uint64_t touched_stretch = 4096; // sectors

struct OwnedHeader {
    std::array<char, 8> magic{}; // written last
    std::uint64_t virtual_size = 0;
    std::uint64_t sector_size = 0;
    Guid master;
    std::array<char, 40> boot_id{};
};
static_assert(sizeof(OwnedHeader) <= OwnedSectors::header_size && std::is_trivially_copyable_v<OwnedHeader>);

OwnedHeader header_for(const FileSystem& files, const Master& master) {
    OwnedHeader header{owned_magic, master.identity().virtual_size, master.geometry().logical_block_size, master.identity().data_write_guid, {}};
    const std::string id = files.boot_id();
    std::memcpy(header.boot_id.data(), id.data(), std::min(id.size(), header.boot_id.size()));
    return header;
}

std::uint64_t file_size(std::uint64_t sectors) { return OwnedSectors::header_size + round_up(div_up(sectors, 8), OwnedSectors::unit_bytes); }

Error unusable(std::errc code, const std::string& path, const std::string& why) { return make_error(code, path + why); }

Result<void> check_header(const OwnedHeader& found, const OwnedHeader& expected, const std::string& path) {
    if (found.magic != owned_magic) {
        return unusable(std::errc::illegal_byte_sequence, path, " is damaged or was never finished. Reset the machine to start anew.");
    }
    if (found.boot_id != expected.boot_id) {
        return unusable(std::errc::state_not_recoverable, path, " is from before this host was started: the contents of a reset overlay are gone then. "
                                                                "Reset the machine to start anew.");
    }
    if (found.master != expected.master || found.virtual_size != expected.virtual_size || found.sector_size != expected.sector_size) {
        return unusable(std::errc::invalid_argument, path, " was made over another version of the image. Reset the machine to start anew.");
    }
    return {};
}

} // namespace

OwnedSectors::OwnedSectors(std::unique_ptr<File> file, std::unique_ptr<Mapping> mapping, std::uint64_t sector_count, std::uint32_t sector_size)
    : file_(std::move(file)), mapping_(std::move(mapping)),
      words_(reinterpret_cast<std::uint64_t*>(mapping_->bytes().data() + header_size)), sector_size_(sector_size),
      touched_(static_cast<std::size_t>(div_up(sector_count, touched_stretch))),
      reserved_(static_cast<std::size_t>(div_up(sector_count, unit_sectors))) {}

Result<void> OwnedSectors::create(FileSystem& files, const std::string& disk_path, const Master& master) {
    const Result<std::unique_ptr<File>> file = files.open(path_of(disk_path), OpenMode::create_new);
    if (!file) {
        return file.error();
    }
    Result<void> done = (*file)->resize(file_size(master.identity().virtual_size / master.geometry().logical_block_size));
    if (done) {
        done = (*file)->write_at(0, object_bytes(header_for(files, master)));
    }
    return done;
}

Result<std::unique_ptr<OwnedSectors>> OwnedSectors::open(FileSystem& files, const std::string& disk_path, const Master& master) {
    Result<std::unique_ptr<File>> file = files.open(path_of(disk_path), OpenMode::read_write);
    if (!file) {
        return file.error();
    }
    const std::uint64_t sectors = master.identity().virtual_size / master.geometry().logical_block_size;
    OwnedHeader header;
    const Result<std::uint64_t> size = (*file)->size();
    const bool complete = size && *size >= file_size(sectors) && (*file)->read_at(0, object_bytes(header));
    if (!complete) {
        header = {}; // as damaged
    }
    if (const Result<void> fits = check_header(header, header_for(files, master), (*file)->path()); !fits) {
        return fits.error();
    }
    Result<std::unique_ptr<Mapping>> mapping = (*file)->map_shared(file_size(sectors));
    if (!mapping) {
        return mapping.error();
    }
    std::unique_ptr<OwnedSectors> owned(
        new OwnedSectors(std::move(*file), std::move(*mapping), sectors, master.geometry().logical_block_size));
    if (const Result<void> recalled = owned->recall(); !recalled) {
        return recalled.error();
    }
    return owned;
}

/// What an earlier process owned.
Result<void> OwnedSectors::recall() {
    std::uint64_t offset = header_size;
    for (;;) {
        const Result<std::optional<File::Stretch>> data = file_->next_data(offset);
        if (!data) {
            return data.error();
        }
        if (!*data) {
            return {};
        }
        offset = (*data)->offset + (*data)->length;
        const std::uint64_t end = (offset - header_size) / sizeof(std::uint64_t);
        for (std::uint64_t index = ((*data)->offset - header_size) / sizeof(std::uint64_t); index < end; ++index) {
            if (const std::uint64_t bits = load(index); bits != 0) {
                owned_ += static_cast<std::uint64_t>(std::popcount(bits));
                touched_[index * 64 / touched_stretch] = true;
            }
        }
    }
}

bool OwnedSectors::untouched(std::uint64_t first, std::uint64_t count) const {
    for (std::uint64_t stretch = first / touched_stretch; stretch <= (first + count - 1) / touched_stretch; ++stretch) {
        if (touched_[stretch].load(std::memory_order_acquire)) {
            return false;
        }
    }
    return true;
}

void OwnedSectors::find_pieces(std::uint64_t offset, std::uint64_t length, PieceList& pieces) const {
    const std::uint64_t end = (offset + length) / sector_size_;
    for (std::uint64_t sector = offset / sector_size_; sector < end;) {
        const BitRun run = next_bit_run([this](std::uint64_t index) { return load(index); }, sector, end);
        const std::uint64_t at = sector * sector_size_;
        pieces.add({run.set ? PieceSource::own : PieceSource::parent, at, run.length * sector_size_, run.set ? at : 0});
        sector += run.length;
    }
}

std::uint64_t OwnedSectors::count_missing(std::uint64_t first, std::uint64_t count) const {
    std::uint64_t missing = 0;
    for_each_bit_mask(first, first + count, [&](std::uint64_t index, std::uint64_t mask) {
        missing += static_cast<std::uint64_t>(std::popcount(~load(index) & mask));
    });
    return missing;
}

bool OwnedSectors::is_reserved(std::uint64_t first, std::uint64_t count) const {
    for (std::uint64_t unit = first / unit_sectors; unit <= (first + count - 1) / unit_sectors; ++unit) {
        if (!reserved_[unit].load(std::memory_order_acquire)) {
            return false;
        }
    }
    return true;
}

Result<void> OwnedSectors::reserve(std::uint64_t first, std::uint64_t count) {
    std::lock_guard lock(reserving_);
    for (std::uint64_t unit = first / unit_sectors; unit <= (first + count - 1) / unit_sectors; ++unit) {
        if (reserved_[unit]) {
            continue;
        }
        if (Result<void> allocated = file_->allocate(header_size + unit * unit_bytes, unit_bytes); !allocated) {
            return allocated;
        }
        reserved_[unit].store(true, std::memory_order_release);
    }
    return {};
}

std::uint64_t OwnedSectors::own(std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t stretch = first / touched_stretch; stretch <= (first + count - 1) / touched_stretch; ++stretch) {
        touched_[stretch].store(true, std::memory_order_release);
    }
    std::uint64_t added = 0;
    for_each_bit_mask(first, first + count, [&](std::uint64_t index, std::uint64_t mask) {
        const std::uint64_t old = std::atomic_ref(words_[index]).fetch_or(mask, std::memory_order_acq_rel);
        added += static_cast<std::uint64_t>(std::popcount(mask & ~old));
    });
    owned_.fetch_add(added, std::memory_order_relaxed);
    return added;
}

} // namespace rootstock::images
