// Long because it shares no line with src/images: an independent reading of the specification, from bytes to verdict.
#include "support/vhdx_validator.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

namespace rootstock::test {
namespace {

using Span = std::span<const std::uint8_t>;
constexpr std::uint64_t one_mib = 1048576;

std::uint64_t little_endian(Span bytes, std::size_t at, unsigned size) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < size; ++i) {
        value |= std::uint64_t{bytes[at + i]} << (8 * i);
    }
    return value;
}
std::uint64_t u16(Span b, std::size_t at) { return little_endian(b, at, 2); }
std::uint64_t u32(Span b, std::size_t at) { return little_endian(b, at, 4); }
std::uint64_t u64(Span b, std::size_t at) { return little_endian(b, at, 8); }

bool has_text(Span bytes, std::size_t at, const char* text) {
    for (std::size_t i = 0; text[i] != 0; ++i) {
        if (bytes[at + i] != static_cast<std::uint8_t>(text[i])) {
            return false;
        }
    }
    return true;
}

/// As people write it: 8-4-4-4-12, the first three groups turned round.
std::string guid(Span bytes, std::size_t at) {
    static constexpr std::array order{3, 2, 1, 0, -1, 5, 4, -1, 7, 6, -1, 8, 9, -1, 10, 11, 12, 13, 14, 15};
    std::string text;
    for (const int index : order) {
        if (index < 0) {
            text += '-';
            continue;
        }
        std::array<char, 3> digits{};
        std::snprintf(digits.data(), digits.size(), "%02x", bytes[at + static_cast<std::size_t>(index)]);
        text += digits.data();
    }
    return text;
}
const std::string nil_guid = "00000000-0000-0000-0000-000000000000";

/// CRC32C bit by bit through a table of our own; the four bytes at 4 count as zero.
std::uint32_t checksum(Span bytes) {
    static const auto table = [] {
        std::array<std::uint32_t, 256> made{};
        for (std::uint32_t i = 0; i < 256; ++i) {
            std::uint32_t value = i;
            for (int bit = 0; bit < 8; ++bit) {
                value = (value & 1U) != 0 ? 0x82f63b78U ^ (value >> 1U) : value >> 1U;
            }
            made[i] = value;
        }
        return made;
    }();
    std::uint32_t sum = 0xffffffffU;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const std::uint8_t byte = i >= 4 && i < 8 ? 0 : bytes[i];
        sum = table[(sum ^ byte) & 0xffU] ^ (sum >> 8U);
    }
    return ~sum;
}
bool sum_is_right(Span bytes) { return u32(bytes, 4) == checksum(bytes); }

/// Basic-plane UTF-16LE only: all that a test writes.
std::string narrow_text(Span bytes) {
    std::string text;
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
        const auto unit = u16(bytes, i);
        if (unit < 0x80) {
            text += static_cast<char>(unit);
        } else if (unit < 0x800) {
            text += static_cast<char>(0xc0U | (unit >> 6U));
            text += static_cast<char>(0x80U | (unit & 0x3fU));
        } else {
            text += static_cast<char>(0xe0U | (unit >> 12U));
            text += static_cast<char>(0x80U | ((unit >> 6U) & 0x3fU));
            text += static_cast<char>(0x80U | (unit & 0x3fU));
        }
    }
    return text;
}

std::string at_mib(std::uint64_t offset) { return "at byte " + std::to_string(offset); }

} // namespace

std::string VhdxReport::text() const {
    std::string all;
    for (const std::string& line : problems) {
        all += line + "\n";
    }
    return all;
}

VhdxInspector::VhdxInspector(ReadAt read, std::uint64_t file_size) : read_(std::move(read)), file_size_(file_size) { inspect(); }

VhdxInspector::VhdxInspector(const std::string& path) : file_size_(0) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status {};
    if (fd < 0 || ::fstat(fd, &status) != 0) {
        problem("cannot open " + path);
        return;
    }
    file_size_ = static_cast<std::uint64_t>(status.st_size);
    const std::shared_ptr<const int> owner(new int(fd), [](const int* held) {
        ::close(*held);
        delete held;
    });
    read_ = [owner](std::uint64_t offset, std::span<std::uint8_t> out) {
        while (!out.empty()) {
            const ssize_t got = ::pread(*owner, out.data(), out.size(), static_cast<off_t>(offset));
            if (got <= 0) {
                return;
            }
            out = out.subspan(static_cast<std::size_t>(got));
            offset += static_cast<std::uint64_t>(got);
        }
    };
    inspect();
}

std::vector<std::uint8_t> VhdxInspector::raw(std::uint64_t offset, std::uint64_t length) const {
    std::vector<std::uint8_t> out(length);
    if (offset < file_size_) {
        read_(offset, std::span(out).first(std::min(length, file_size_ - offset)));
    }
    return out;
}

std::vector<std::uint8_t> VhdxInspector::bytes(std::uint64_t offset, std::uint64_t length) const {
    std::vector<std::uint8_t> out = raw(offset, length);
    for (auto page = pages_.lower_bound(offset - offset % 4096); page != pages_.end() && page->first < offset + length; ++page) {
        for (std::uint64_t i = 0; i < 4096; ++i) {
            const std::uint64_t at = page->first + i;
            if (at >= offset && at < offset + length) {
                out[at - offset] = page->second[i];
            }
        }
    }
    return out;
}

void VhdxInspector::own(std::uint64_t offset, std::uint64_t length, std::string what) {
    if (offset % one_mib != 0) {
        problem(what + " " + at_mib(offset) + " is not at a multiple of 1 MiB");
    }
    if (length > file_size_ || offset > file_size_ - length) {
        problem(what + " " + at_mib(offset) + " reaches beyond the end of the file");
    }
    owned_.push_back({offset, length, std::move(what)});
}

void VhdxInspector::inspect() {
    if (file_size_ < one_mib || !has_text(raw(0, 8), 0, "vhdxfile")) {
        problem("the file has no type identifier");
        return;
    }
    owned_.push_back({0, one_mib, "header section"});
    if (!inspect_header()) {
        return;
    }
    if (log_guid_ != nil_guid) {
        inspect_log();
    }
    if (inspect_regions() && inspect_metadata()) {
        inspect_bat();
        inspect_overlaps();
    }
}

bool VhdxInspector::inspect_header() {
    std::optional<std::vector<std::uint8_t>> current;
    unsigned valid = 0;
    for (const std::uint64_t offset : {std::uint64_t{64} * 1024, std::uint64_t{128} * 1024}) {
        auto header = raw(offset, 4096);
        if (!has_text(header, 0, "head") || !sum_is_right(header)) {
            continue;
        }
        ++valid;
        if (current && u64(header, 8) == u64(*current, 8)) {
            problem("both headers have sequence number " + std::to_string(u64(header, 8)));
        }
        if (!current || u64(header, 8) > u64(*current, 8)) {
            current = std::move(header);
        }
    }
    if (!current) {
        problem("no valid header");
        return false;
    }
    if (u16(*current, 64) != 0 || u16(*current, 66) != 1) {
        problem("wrong version of header or log");
    }
    report_.file_write_guid = guid(*current, 16);
    report_.data_write_guid = guid(*current, 32);
    log_guid_ = guid(*current, 48);
    log_length_ = u32(*current, 68);
    log_offset_ = u64(*current, 72);
    if (log_length_ == 0 || log_length_ % one_mib != 0) {
        problem("the log's length is not a multiple of 1 MiB");
        return false;
    }
    own(log_offset_, log_length_, "log");
    return true;
}

/// Every entry that is whole; the one with the highest number is the head; its tail leads to it through consecutive numbers.
void VhdxInspector::inspect_log() {
    report_.dirty = true;
    const auto log = raw(log_offset_, log_length_);
    std::map<std::uint64_t, Entry> entries;
    for (std::uint64_t offset = 0; offset < log_length_; offset += 4096) {
        if (!has_text(log, offset, "loge") || guid(log, offset + 32) != log_guid_) {
            continue;
        }
        Entry entry{u32(log, offset + 8), u32(log, offset + 12), u64(log, offset + 16), u64(log, offset + 48), u64(log, offset + 56), {}};
        if (entry.length == 0 || entry.length % 4096 != 0 || entry.length > log_length_) {
            continue;
        }
        for (std::uint64_t i = 0; i < entry.length; ++i) {
            entry.bytes.push_back(log[(offset + i) % log_length_]);
        }
        if (sum_is_right(entry.bytes)) {
            entries.emplace(offset, std::move(entry));
        }
    }
    const auto head = std::max_element(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.second.number < b.second.number; });
    if (head == entries.end()) {
        problem("LogGuid is set and the log has no valid entry");
        return;
    }
    std::uint64_t at = head->second.tail;
    std::uint64_t expected = 0;
    while (true) {
        const auto entry = entries.find(at);
        if (entry == entries.end() || (expected != 0 && entry->second.number != expected)) {
            problem("the newest log entry's tail does not lead to it");
            pages_.clear();
            return;
        }
        replay(entry->second);
        ++report_.log_entries;
        if (entry == head) {
            break;
        }
        expected = entry->second.number + 1;
        at = (at + entry->second.length) % log_length_;
    }
    file_size_ = std::max(file_size_, head->second.last);
}

void VhdxInspector::replay(const Entry& entry) {
    if (file_size_ < entry.flushed) {
        problem("the file is shorter than its log says was flushed");
    }
    const std::uint64_t count = u32(entry.bytes, 24);
    std::uint64_t sector = (64 + 32 * count + 4095) / 4096 * 4096;
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::size_t at = 64 + 32 * i;
        const std::uint64_t offset = u64(entry.bytes, at + 16);
        if (u64(entry.bytes, at + 24) != entry.number || offset % 4096 != 0) {
            problem("a log descriptor has the wrong sequence number or an odd offset");
            return;
        }
        if (has_text(entry.bytes, at, "zero")) {
            for (std::uint64_t page = offset; page < offset + u64(entry.bytes, at + 8); page += 4096) {
                pages_[page].assign(4096, 0);
            }
            continue;
        }
        if (!has_text(entry.bytes, at, "desc") || sector + 4096 > entry.length || !has_text(entry.bytes, sector, "data") ||
            ((u32(entry.bytes, sector + 4) << 32U) | u32(entry.bytes, sector + 4092)) != entry.number) {
            problem("a log entry's data sectors do not fit its descriptors");
            return;
        }
        auto& page = pages_[offset];
        page.assign(entry.bytes.begin() + static_cast<std::ptrdiff_t>(sector), entry.bytes.begin() + static_cast<std::ptrdiff_t>(sector + 4096));
        std::copy_n(entry.bytes.begin() + static_cast<std::ptrdiff_t>(at + 8), 8, page.begin());
        std::copy_n(entry.bytes.begin() + static_cast<std::ptrdiff_t>(at + 4), 4, page.begin() + 4092);
        sector += 4096;
    }
    if (sector != entry.length) {
        problem("a log entry has sectors without descriptors");
    }
}

bool VhdxInspector::inspect_regions() {
    auto table = raw(192 * 1024, 65536);
    const auto second = raw(256 * 1024, 65536);
    if (!has_text(table, 0, "regi") || !sum_is_right(table)) {
        problem("the first region table is damaged");
        table = second;
    } else if (table != second) {
        problem("the region tables differ");
    }
    if (!has_text(table, 0, "regi") || !sum_is_right(table) || u32(table, 8) > 2047) {
        problem("no valid region table");
        return false;
    }
    for (std::uint64_t i = 0; i < u32(table, 8); ++i) {
        const std::size_t at = 16 + 32 * i;
        const std::string id = guid(table, at);
        const std::uint64_t offset = u64(table, at + 16);
        const std::uint64_t length = u32(table, at + 24);
        own(offset, length, "region " + id);
        if (length == 0 || length % one_mib != 0) {
            problem("the length of region " + id + " is not a multiple of 1 MiB");
        }
        if (id == "2dc27766-f623-4200-9d64-115e9bfd4a08") {
            bat_offset_ = offset;
            bat_length_ = length;
        } else if (id == "8b7ca206-4790-4b9a-b8fe-575f050f886e") {
            metadata_offset_ = offset;
            metadata_length_ = length;
        } else if ((u32(table, at + 28) & 1U) != 0) {
            problem("unknown required region " + id);
        }
    }
    if (bat_length_ == 0 || metadata_length_ == 0) {
        problem("BAT or metadata region missing");
        return false;
    }
    return true;
}

bool VhdxInspector::inspect_metadata() {
    const auto region = bytes(metadata_offset_, metadata_length_);
    if (!has_text(region, 0, "metadata")) {
        problem("the metadata table has no signature");
        return false;
    }
    std::map<std::string, Span> items;
    for (std::uint64_t i = 0; i < u16(region, 10); ++i) {
        const std::size_t at = 32 + 32 * i;
        const std::uint64_t offset = u32(region, at + 16);
        const std::uint64_t length = u32(region, at + 20);
        if (offset < 65536 || length > one_mib || offset + length > region.size()) {
            problem("a metadata item lies outside of its region");
            continue;
        }
        items[guid(region, at)] = Span(region).subspan(offset, length);
    }
    const auto item = [&](const char* id, std::size_t size) -> Span {
        const auto found = items.find(id);
        if (found == items.end() || found->second.size() != size) {
            problem("metadata item " + std::string(id) + " is missing or has the wrong size");
            return {};
        }
        return found->second;
    };
    const Span parameters = item("caa16737-fa36-4d43-b3b6-33f0aa44e76b", 8);
    const Span size = item("2fa54224-cd1b-4876-b211-5dbed83bf4b8", 8);
    const Span id = item("beca12ab-b2e6-4523-93ef-c309e000c746", 16);
    const Span logical = item("8141bf1d-a96f-4709-ba47-f233a8faab5f", 4);
    const Span physical = item("cda348c7-445d-4471-9cc9-e9885251c556", 4);
    if (parameters.empty() || size.empty() || id.empty() || logical.empty() || physical.empty()) {
        return false;
    }
    report_.block_size = static_cast<std::uint32_t>(u32(parameters, 0));
    report_.differencing = (u32(parameters, 4) & 2U) != 0;
    report_.virtual_size = u64(size, 0);
    report_.logical_sector_size = static_cast<std::uint32_t>(u32(logical, 0));
    report_.physical_sector_size = static_cast<std::uint32_t>(u32(physical, 0));
    const std::uint64_t block = report_.block_size;
    const std::uint64_t sector = report_.logical_sector_size;
    if (block < one_mib || block > 256 * one_mib || (block & (block - 1)) != 0 || (sector != 512 && sector != 4096) ||
        (u32(physical, 0) != 512 && u32(physical, 0) != 4096) || report_.virtual_size == 0 || report_.virtual_size % sector != 0) {
        problem("block, sector or disk size is not allowed");
        return false;
    }
    if (report_.differencing) {
        inspect_parent_locator(items.contains("a8d35f2d-b30b-454d-abf7-d3d84834ab0c") ? items.at("a8d35f2d-b30b-454d-abf7-d3d84834ab0c") : Span{});
    }
    return true;
}

void VhdxInspector::inspect_parent_locator(Span item) {
    if (item.size() < 20 || guid(item, 0) != "b04aefb7-d19e-4a81-b789-25b8e9445913" || 20 + 12 * u16(item, 18) > item.size()) {
        problem("no parent locator of the VHDX type");
        return;
    }
    for (std::uint64_t i = 0; i < u16(item, 18); ++i) {
        const std::size_t at = 20 + 12 * i;
        const std::uint64_t key = u32(item, at);
        const std::uint64_t value = u32(item, at + 4);
        const std::uint64_t key_length = u16(item, at + 8);
        const std::uint64_t value_length = u16(item, at + 10);
        if (key == 0 || value == 0 || key_length == 0 || value_length == 0 || key + key_length > item.size() || value + value_length > item.size()) {
            problem("a parent locator entry lies outside of the item");
            return;
        }
        report_.parent_locator[narrow_text(item.subspan(key, key_length))] = narrow_text(item.subspan(value, value_length));
    }
    if (!report_.parent_locator.contains("parent_linkage") || report_.parent_locator["parent_linkage"].size() != 38) {
        problem("the parent locator has no parent_linkage of the form {guid}");
    }
    if (!report_.parent_locator.contains("relative_path") && !report_.parent_locator.contains("absolute_win32_path")) {
        problem("the parent locator has no path");
    }
}

void VhdxInspector::inspect_bat() {
    chunk_ratio_ = (std::uint64_t{1} << 23U) * report_.logical_sector_size / report_.block_size;
    const std::uint64_t count = (report_.virtual_size + report_.block_size - 1) / report_.block_size;
    const std::uint64_t chunks = (count + chunk_ratio_ - 1) / chunk_ratio_;
    const std::uint64_t entries = report_.differencing ? chunks * (chunk_ratio_ + 1) : count + (count - 1) / chunk_ratio_;
    if (entries * 8 > bat_length_) {
        problem("the BAT region is too small");
        return;
    }
    const auto table = bytes(bat_offset_, entries * 8);
    blocks_.resize(count);
    bitmaps_.resize(chunks);
    bitmap_bytes_.resize(chunks);
    // Bitmaps first: a partial block asks for its own.
    for (std::uint64_t chunk = 0; report_.differencing && chunk < chunks; ++chunk) {
        const std::uint64_t raw_entry = u64(table, (chunk * (chunk_ratio_ + 1) + chunk_ratio_) * 8);
        bitmaps_[chunk] = {static_cast<unsigned>(raw_entry & 7U), (raw_entry >> 20U) * one_mib};
        if ((raw_entry & 0xffff8U) != 0 || (bitmaps_[chunk].state != 0 && bitmaps_[chunk].state != 6)) {
            problem("sector bitmap entry of chunk " + std::to_string(chunk) + " is malformed");
        }
        if (bitmaps_[chunk].state == 6) {
            own(bitmaps_[chunk].offset, one_mib, "sector bitmap block " + std::to_string(chunk));
        }
    }
    for (std::uint64_t block = 0; block < count; ++block) {
        inspect_block(block, u64(table, (block + block / chunk_ratio_) * 8));
    }
}

void VhdxInspector::inspect_block(std::uint64_t block, std::uint64_t raw_entry) {
    const std::string name = "block " + std::to_string(block);
    const auto state = static_cast<unsigned>(raw_entry & 7U);
    blocks_[block] = {state, (raw_entry >> 20U) * one_mib};
    if ((raw_entry & 0xffff8U) != 0 || state == 4 || state == 5) {
        problem(name + " has a malformed BAT entry");
    }
    const std::uint64_t sectors = report_.block_size / report_.logical_sector_size;
    if (state == 6) {
        ++report_.full_blocks;
        report_.owned_sectors += sectors;
    } else if (state == 7) {
        ++report_.partial_blocks;
        const std::uint64_t chunk = block / chunk_ratio_;
        if (!report_.differencing || bitmaps_[chunk].state != 6) {
            problem(name + " is partially present and has no sector bitmap");
            blocks_[block].state = 1;
            return;
        }
        if (bitmap_bytes_[chunk].empty()) {
            bitmap_bytes_[chunk] = bytes(bitmaps_[chunk].offset, one_mib);
        }
        for (std::uint64_t sector = 0; sector < sectors; ++sector) {
            report_.owned_sectors += owns_sector(block * sectors + sector) ? 1U : 0U;
        }
    } else if (state == 2) {
        ++report_.zero_blocks;
    }
    if (state == 6 || state == 7) {
        own(blocks_[block].offset, report_.block_size, name);
    }
}

void VhdxInspector::inspect_overlaps() {
    std::sort(owned_.begin(), owned_.end(), [](const Stretch& a, const Stretch& b) { return a.offset < b.offset; });
    for (std::size_t i = 1; i < owned_.size(); ++i) {
        if (owned_[i - 1].offset + owned_[i - 1].length > owned_[i].offset) {
            problem(owned_[i - 1].what + " and " + owned_[i].what + " overlap " + at_mib(owned_[i].offset));
        }
    }
}

/// Bits count from the least significant one; a sector's bit is its number within the chunk.
bool VhdxInspector::owns_sector(std::uint64_t sector) const {
    const std::uint64_t per_chunk = std::uint64_t{1} << 23U;
    const std::uint64_t bit = sector % per_chunk;
    const unsigned byte = bitmap_bytes_[sector / per_chunk][bit / 8];
    return ((byte >> (bit % 8)) & 1U) != 0;
}

std::vector<std::uint8_t> VhdxInspector::read(std::uint64_t offset, std::uint64_t length, const ParentRead& parent) const {
    std::vector<std::uint8_t> out(length);
    const std::uint64_t sector_size = report_.logical_sector_size;
    for (std::uint64_t done = 0; done < length;) {
        const std::uint64_t at = offset + done;
        const std::uint64_t step = std::min(length - done, sector_size - at % sector_size);
        const Block block = blocks_.at(at / report_.block_size);
        const std::span<std::uint8_t> piece = std::span(out).subspan(done, step);
        const bool here = block.state == 6 || (block.state == 7 && owns_sector(at / sector_size));
        if (here) {
            const auto found = bytes(block.offset + at % report_.block_size, step);
            std::copy(found.begin(), found.end(), piece.begin());
        } else if (report_.differencing && (block.state == 0 || block.state == 7) && parent) {
            parent(at, piece);
        }
        done += step;
    }
    return out;
}

} // namespace rootstock::test
