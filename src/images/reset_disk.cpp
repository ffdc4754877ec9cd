#include "images/reset_disk.hpp"

#include "core/checked.hpp"
#include "images/io_error.hpp"
#include "images/live_map.hpp"

namespace rootstock::images {

using block::IoError;
using block::TryRead;
using block::TryStatus;
using block::TryWrite;

namespace {

constexpr std::uint64_t page_cache_page = 4096;
constexpr std::uint32_t space_unit = 4096; // what a hole can give back

} // namespace

ResetDisk::ResetDisk(std::unique_ptr<File> file, std::unique_ptr<OwnedSectors> owned, std::shared_ptr<Master> parent)
    : file_(std::move(file)), owned_(std::move(owned)), parent_(std::move(parent)), geometry_(parent_->geometry()),
      changed_(div_up(geometry_.size_bytes, copied_block)) {
    geometry_.read_only = false;
    geometry_.discard_granularity = space_unit;
}

std::optional<IoError> ResetDisk::refusal(std::uint64_t offset, std::uint64_t length) const {
    if (closed_.load(std::memory_order_relaxed)) {
        return IoError::gone;
    }
    return range_fits(offset, length, geometry_.size_bytes) ? std::nullopt : std::optional(IoError::out_of_range);
}

TryRead ResetDisk::try_read(std::uint64_t offset, std::size_t length, bool mapping_allowed, block::ReadSink& sink) {
    if (const std::optional<IoError> refused = refusal(offset, length)) {
        return {TryStatus::failed, *refused, {}};
    }
    if (length == 0) {
        return {};
    }
    if (owned_->untouched(sector_of(offset), sector_of(length))) {
        return parent_->try_read(offset, length, mapping_allowed, sink);
    }
    PieceList pieces;
    owned_->find_pieces(offset, length, pieces);
    return try_read_pieces(pieces, *file_, parent_.get(), mapping_allowed, sink);
}

Result<void, IoError> ResetDisk::read(std::uint64_t offset, MutableBytes out) {
    if (const std::optional<IoError> refused = refusal(offset, out.size())) {
        return *refused;
    }
    PieceList pieces;
    owned_->find_pieces(offset, out.size(), pieces);
    return read_pieces(pieces, *file_, parent_.get(), out);
}

void ResetDisk::charge_to(std::shared_ptr<SpaceAccount> account) {
    account_ = std::move(account);
    settle_account();
}

void ResetDisk::settle_account() {
    const Result<std::uint64_t> allocated = file_->allocated_bytes();
    const std::uint64_t owned = owned_->owned_sectors() * geometry_.logical_block_size;
    account_->settle(allocated ? std::min(owned, *allocated) : owned);
}

/// Whether the limits allow it to own the range; holes that the account does not know of yet may make room.
Result<void, IoError> ResetDisk::make_room(std::uint64_t offset, std::uint64_t length) {
    const std::uint64_t new_bytes = owned_->count_missing(sector_of(offset), sector_of(length)) * geometry_.logical_block_size;
    if (new_bytes == 0 || account_->may_take(new_bytes)) {
        return {};
    }
    settle_account();
    if (const std::optional<SpaceScope> obstacle = account_->obstacle(new_bytes)) {
        account_->note_refusal(*obstacle);
        return IoError::quota;
    }
    return {};
}

IoError ResetDisk::failure(const Error& error) {
    const IoError kind = io_error(error);
    if (kind == IoError::no_space) {
        account_->note_refusal(SpaceScope::file_system);
    }
    return kind;
}

TryWrite ResetDisk::try_write(std::uint64_t offset, Bytes data) {
    // A write to a part of a page may have to read the rest of it first.
    const bool whole_pages = offset % page_cache_page == 0 && data.size() % page_cache_page == 0;
    const bool at_once = whole_pages && !data.empty() && data.size() <= inline_write_bytes && !refusal(offset, data.size()) &&
                         owned_->is_reserved(sector_of(offset), sector_of(data.size()));
    const IoGate::Pass passed = at_once ? gate_.try_pass() : IoGate::Pass();
    if (!passed) {
        return {TryStatus::would_block, {}}; // write() does it, or says what is wrong
    }
    const Result<void, IoError> written = write_passed(offset, data);
    return written ? TryWrite{} : TryWrite{TryStatus::failed, written.error()};
}

Result<void, IoError> ResetDisk::write(std::uint64_t offset, Bytes data, bool) {
    if (const std::optional<IoError> refused = refusal(offset, data.size())) {
        return *refused;
    }
    if (data.empty()) {
        return {};
    }
    const IoGate::Pass passed = gate_.pass();
    return write_passed(offset, data);
}

Result<void, IoError> ResetDisk::write_passed(std::uint64_t offset, Bytes data) {
    if (const Result<void, IoError> room = make_room(offset, data.size()); !room) {
        return room;
    }
    Result<void> done;
    if (!owned_->is_reserved(sector_of(offset), sector_of(data.size()))) {
        done = owned_->reserve(sector_of(offset), sector_of(data.size()));
    }
    if (done) {
        done = file_->write_at(offset, data);
    }
    if (!done) {
        return failure(done.error());
    }
    if (const std::uint64_t sectors = owned_->own(sector_of(offset), sector_of(data.size())); sectors != 0) {
        account_->add(sectors * geometry_.logical_block_size);
    }
    note_change(offset, data.size());
    return {};
}

/// Behind the data and its bits: a copy that clears the mark sees them, or is made again.
void ResetDisk::note_change(std::uint64_t offset, std::uint64_t length) {
    for (std::uint64_t block = offset / copied_block; block <= (offset + length - 1) / copied_block; ++block) {
        changed_[block].store(true, std::memory_order_release);
    }
}

Result<void, IoError> ResetDisk::flush() {
    if (const std::optional<IoError> refused = refusal(0, 0)) {
        return *refused;
    }
    return {};
}

Result<void, IoError> ResetDisk::discard(std::uint64_t offset, std::uint64_t length) {
    if (const std::optional<IoError> refused = refusal(offset, length)) {
        return *refused;
    }
    if (length == 0) {
        return {};
    }
    const IoGate::Pass passed = gate_.pass();
    Result<void> done = owned_->reserve(sector_of(offset), sector_of(length));
    if (done) {
        done = file_->punch_hole(offset, length);
    }
    if (!done) {
        return failure(done.error());
    }
    owned_->own(sector_of(offset), sector_of(length));
    note_change(offset, length);
    settle_account(); // a hole takes nothing, whether it was owned before or not
    return {};
}

block::BlockDevice::Extent ResetDisk::extent(std::uint64_t offset, std::uint64_t length) {
    constexpr std::uint64_t most = std::uint64_t{2} << 20U; // a long range must not make a long list
    length = std::min(length, most);
    PieceList pieces;
    owned_->find_pieces(offset, length, pieces);
    const Piece& first = pieces[0];
    if (first.source == PieceSource::parent) {
        return parent_->extent(first.offset, first.length);
    }
    const Result<std::optional<File::Stretch>> data = file_->next_data(first.file_offset);
    if (!data) {
        return {first.length, true};
    }
    const std::uint64_t hole_end = *data ? (*data)->offset : geometry_.size_bytes;
    if (hole_end > offset) {
        return {std::min(first.length, hole_end - offset), false};
    }
    return {std::min(first.length, (*data)->length), true};
}

Result<void> ResetDisk::close() {
    closed_ = true;
    return {};
}

std::uint64_t ResetDisk::allocated_bytes() {
    const Result<std::uint64_t> bytes = file_->allocated_bytes();
    return bytes ? *bytes : 0; // a number for people: an unreadable one is not worth an error
}

Result<void> create_reset_overlay(FileSystem& files, const std::string& path, const Master& master) {
    const Result<std::unique_ptr<File>> file = files.open(path, OpenMode::create_new);
    if (!file) {
        return file.error();
    }
    if (Result<void> sized = (*file)->resize(master.identity().virtual_size); !sized) {
        return sized;
    }
    return OwnedSectors::create(files, path, master);
}

Result<std::shared_ptr<Overlay>> open_reset_overlay(FileSystem& files, const std::string& path, std::shared_ptr<Master> master) {
    RS_ASSERT(master != nullptr);
    Result<std::unique_ptr<File>> file = files.open(path, OpenMode::read_write);
    if (!file) {
        return file.error();
    }
    if (const Result<void> locked = (*file)->lock_exclusive(); !locked) {
        return locked.error();
    }
    const Result<std::uint64_t> size = (*file)->size();
    if (!size || *size != master->identity().virtual_size) {
        return make_error(std::errc::invalid_argument, path + " has not the size of " + master->path() + ". Reset the machine to start anew.");
    }
    Result<std::unique_ptr<OwnedSectors>> owned = OwnedSectors::open(files, path, *master);
    if (!owned) {
        return owned.error();
    }
    (*file)->advise_random();
    return std::shared_ptr<Overlay>(std::make_shared<ResetDisk>(std::move(*file), std::move(*owned), std::move(master)));
}

Result<void> remove_disk(FileSystem& files, const std::string& path) {
    for (const std::string& beside : {LiveMap::path_of(path), OwnedSectors::path_of(path), path}) {
        if (Result<void> removed = files.remove(beside); !removed) {
            return removed;
        }
    }
    return {};
}

} // namespace rootstock::images
