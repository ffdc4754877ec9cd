#include "images/vhdx_disk.hpp"

#include "images/io_error.hpp"

#include <limits>

namespace rootstock::images {

using block::IoError;
using block::TryRead;
using block::TryStatus;

namespace {

/// Ends an I/O that SlotPool::enter() began.
class IoTicket {
  public:
    IoTicket(SlotPool& slots, unsigned ticket) : slots_(slots), ticket_(ticket) {}
    IoTicket(const IoTicket&) = delete;
    IoTicket& operator=(const IoTicket&) = delete;
    ~IoTicket() { slots_.leave(ticket_); }

  private:
    SlotPool& slots_;
    unsigned ticket_;
};

} // namespace

VhdxDisk::VhdxDisk(FileSystem& files, VhdxDiskParts parts)
    : files_(files), parts_(std::move(parts)), combiner_([this] { return flush_round(); }) {}

bool VhdxDisk::in_range(std::uint64_t offset, std::uint64_t length) const { return range_fits(offset, length, parts_.geometry.size_bytes); }

VhdxDisk::Need VhdxDisk::look_up(std::uint64_t offset, std::uint64_t length, PieceList& pieces, unsigned& ticket, std::size_t& missing) {
    std::lock_guard lock(mutex_);
    if (closed_) {
        return Need::closed;
    }
    pieces.clear();
    if (const std::optional<std::size_t> page = parts_.map->find_pieces(offset, length, pieces)) {
        missing = *page;
        return Need::bitmap_page;
    }
    ticket = parts_.slots->enter();
    return Need::nothing;
}

// A page that is not in memory has not changed since the disk was opened: the file has it.
Result<void> VhdxDisk::load_page(std::size_t page) {
    std::array<std::uint8_t, metadata_page_size> contents{};
    if (Result<void> read = parts_.file->read_at(parts_.map->page_offset(page), contents); !read) {
        return read;
    }
    std::lock_guard lock(mutex_);
    parts_.map->put_page(page, contents);
    return {};
}

bool VhdxDisk::try_load_page(std::size_t page) {
    std::array<std::uint8_t, metadata_page_size> contents{};
    const Result<bool> read = parts_.file->try_read_at(parts_.map->page_offset(page), contents);
    if (!read || !*read) {
        return false; // read() finds out whether it only takes time
    }
    std::lock_guard lock(mutex_);
    parts_.map->put_page(page, contents);
    return true;
}

TryRead VhdxDisk::try_read(std::uint64_t offset, std::size_t length, bool mapping_allowed, block::ReadSink& sink) {
    if (!in_range(offset, length)) {
        return {TryStatus::failed, IoError::out_of_range, {}};
    }
    if (length == 0) {
        return {};
    }
    if (parts_.parent != nullptr && parts_.map->all_in_parent(offset, length)) {
        return parts_.parent->try_read(offset, length, mapping_allowed, sink);
    }
    PieceList pieces;
    unsigned ticket = 0;
    std::size_t missing = 0;
    for (;;) {
        const Need need = look_up(offset, length, pieces, ticket, missing);
        if (need == Need::closed) {
            return {TryStatus::failed, IoError::gone, {}};
        }
        if (need == Need::nothing) {
            break;
        }
        if (!try_load_page(missing)) {
            return {TryStatus::would_block, {}, {}};
        }
    }
    const IoTicket end(*parts_.slots, ticket);
    return try_read_pieces(pieces, *parts_.file, parts_.parent.get(), mapping_allowed, sink);
}

Result<void, IoError> VhdxDisk::read(std::uint64_t offset, MutableBytes out) {
    if (!in_range(offset, out.size())) {
        return IoError::out_of_range;
    }
    PieceList pieces;
    unsigned ticket = 0;
    std::size_t missing = 0;
    for (;;) {
        const Need need = look_up(offset, out.size(), pieces, ticket, missing);
        if (need == Need::closed) {
            return IoError::gone;
        }
        if (need == Need::nothing) {
            break;
        }
        if (const Result<void> loaded = load_page(missing); !loaded) {
            return io_error(loaded.error());
        }
    }
    const IoTicket end(*parts_.slots, ticket);
    return read_pieces(pieces, *parts_.file, parts_.parent.get(), out);
}

block::BlockDevice::Extent VhdxDisk::extent(std::uint64_t offset, std::uint64_t length) {
    PieceList pieces;
    unsigned ticket = 0;
    std::size_t missing = 0;
    // One block at most: the answer may be shorter than what was asked for, and a long range must not make a long list.
    length = std::min(length, parts_.map->geometry().block_size() - offset % parts_.map->geometry().block_size());
    Need need = look_up(offset, length, pieces, ticket, missing);
    if (need == Need::bitmap_page && load_page(missing)) {
        need = look_up(offset, length, pieces, ticket, missing);
    }
    if (need != Need::nothing) {
        return {length, true}; // mapped is what is always allowed to be said
    }
    parts_.slots->leave(ticket);
    const Piece& first = pieces[0];
    if (first.source == PieceSource::parent && parts_.parent != nullptr) {
        return parts_.parent->extent(first.offset, first.length);
    }
    return {first.length, first.source == PieceSource::own};
}

bool VhdxDisk::stand_on(std::shared_ptr<Master> master) {
    RS_ASSERT(parts_.parent != nullptr && master != nullptr && master->geometry().size_bytes == parts_.parent->geometry().size_bytes);
    parts_.parent = std::move(master);
    return true;
}

std::uint64_t VhdxDisk::allocated_bytes() {
    const Result<std::uint64_t> bytes = parts_.file->allocated_bytes();
    return bytes ? *bytes : 0; // a number for people: an unreadable one is not worth an error
}

void VhdxDisk::charge_to(std::shared_ptr<SpaceAccount> account) {
    {
        std::lock_guard lock(mutex_);
        account_ = std::move(account);
    }
    settle_account();
}

void VhdxDisk::settle_account() {
    // A volume owns whole blocks, whose other sectors may be written without a question: they count from the start.
    const Result<std::uint64_t> allocated = parts_.parent ? parts_.file->allocated_bytes() : Result<std::uint64_t>(std::numeric_limits<std::uint64_t>::max());
    std::lock_guard lock(mutex_);
    const std::uint64_t owned = parts_.map->owned_sectors() * parts_.map->geometry().sector_size();
    account_->settle(allocated ? std::min(owned, *allocated - std::min(*allocated, parts_.reserved_bytes)) : owned);
}

/// What an Error of the file is to the writer; that the file system is full is noted as well.
IoError VhdxDisk::failure(const Error& error) {
    const IoError kind = io_error(error);
    if (kind == IoError::no_space) {
        std::lock_guard lock(mutex_);
        account_->note_refusal(SpaceScope::file_system);
    }
    return kind;
}

} // namespace rootstock::images
