#include "support/disk_model.hpp"

#include <algorithm>
#include <array>

namespace rootstock::test {

void fill_pattern(Tag tag, std::uint64_t first_sector, MutableBytes out) {
    if (tag == zeros_tag) {
        std::fill(out.begin(), out.end(), std::uint8_t{0});
        return;
    }
    for (std::size_t at = 0; at < out.size(); at += sizeof(std::uint64_t)) {
        const std::uint64_t sector = first_sector + at / model_sector;
        const std::uint64_t word = (std::uint64_t{tag} + 1) << 32U | (sector * 64 + at % model_sector / 8);
        std::memcpy(out.data() + at, &word, sizeof word);
    }
}

ByteVector pattern(Tag tag, std::uint64_t first_sector, std::uint64_t sector_count) {
    ByteVector bytes(static_cast<std::size_t>(sector_count * model_sector));
    fill_pattern(tag, first_sector, bytes);
    return bytes;
}

PatternMaster::PatternMaster(std::uint64_t size_bytes, std::string path) : path_(std::move(path)) {
    identity_.data_write_guid = *Guid::parse("11111111-2222-4333-8444-555555555555");
    identity_.virtual_size = size_bytes;
    identity_.file_size = size_bytes;
}

DiskModel::DiskModel(std::uint64_t sector_count, Tag base) : current_(static_cast<std::size_t>(sector_count), base), durable_(current_) {}

void DiskModel::begin(std::uint64_t first, std::uint64_t count, Tag tag) {
    in_flight_ = Change{first, count, tag};
    journal_.push_back(*in_flight_);
}

Tag DiskModel::begin_write(std::uint64_t first, std::uint64_t count) {
    begin(first, count, next_tag_);
    return next_tag_++;
}

void DiskModel::begin_zero(std::uint64_t first, std::uint64_t count) { begin(first, count, zeros_tag); }

void DiskModel::acknowledged() {
    const Change done = *std::exchange(in_flight_, std::nullopt);
    std::fill_n(current_.begin() + static_cast<std::ptrdiff_t>(done.first), done.count, done.tag);
}

void DiskModel::flushed() {
    durable_ = current_;
    journal_.clear();
}

void DiskModel::flushed_range(std::uint64_t first, std::uint64_t count) {
    std::copy_n(current_.begin() + static_cast<std::ptrdiff_t>(first), count, durable_.begin() + static_cast<std::ptrdiff_t>(first));
    journal_.push_back({first, count, 0, true});
}

void DiskModel::become(const DiskModel& other) {
    current_ = other.current_;
    next_tag_ = std::max(next_tag_, other.next_tag_);
    flushed();
}

void DiskModel::grow(std::uint64_t sector_count) {
    current_.resize(static_cast<std::size_t>(sector_count), zeros_tag);
    durable_.resize(current_.size(), zeros_tag);
}

std::string DiskModel::wrong(std::uint64_t sector, Bytes bytes) const {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof word);
    return "sector " + std::to_string(sector) + " must be of write " + std::to_string(current_[static_cast<std::size_t>(sector)]) + ", is of write " +
           (word == 0 ? "zeros" : std::to_string((word >> 32U) - 1)) + ", made for sector " + std::to_string((word & 0xffffffffU) / 64);
}

namespace {

bool is_pattern(Tag tag, std::uint64_t sector, Bytes bytes) {
    std::array<std::uint8_t, model_sector> expected;
    fill_pattern(tag, sector, expected);
    return std::memcmp(bytes.data(), expected.data(), model_sector) == 0;
}

} // namespace

template <class Allowed> std::optional<std::string> DiskModel::check(block::BlockDevice& disk, Allowed&& allowed) const {
    constexpr std::uint64_t step = 4096;
    ByteVector actual(static_cast<std::size_t>(std::min(step, sector_count()) * model_sector));
    for (std::uint64_t first = 0; first < sector_count(); first += step) {
        const std::uint64_t count = std::min(step, sector_count() - first);
        if (!disk.read(first * model_sector, MutableBytes(actual).first(count * model_sector))) {
            return "reading sector " + std::to_string(first) + " failed";
        }
        for (std::uint64_t at = 0; at < count; ++at) {
            const Bytes bytes = Bytes(actual).subspan(at * model_sector, model_sector);
            if (!is_pattern(current_[static_cast<std::size_t>(first + at)], first + at, bytes) &&
                !allowed(first + at, [&](Tag tag) { return is_pattern(tag, first + at, bytes); })) {
                return wrong(first + at, bytes);
            }
        }
    }
    return std::nullopt;
}

template <class Is> std::optional<Tag> DiskModel::left_by_power_loss(std::uint64_t sector, Is&& is) const {
    for (auto change = journal_.rbegin(); change != journal_.rend(); ++change) {
        if (!change->covers(sector)) {
            continue;
        }
        if (change->is_barrier) {
            break;
        }
        if (is(change->tag)) {
            return change->tag;
        }
    }
    const Tag durable = durable_[static_cast<std::size_t>(sector)];
    return is(durable) ? std::optional(durable) : std::nullopt;
}

std::optional<std::string> DiskModel::check_read(std::uint64_t first, Bytes bytes) const {
    for (std::uint64_t at = 0; at < bytes.size() / model_sector; ++at) {
        const Bytes sector = bytes.subspan(at * model_sector, model_sector);
        if (!is_pattern(current_[static_cast<std::size_t>(first + at)], first + at, sector)) {
            return wrong(first + at, sector);
        }
    }
    return std::nullopt;
}

std::optional<std::string> DiskModel::check_after_process_death(block::BlockDevice& disk) const {
    return check(disk, [&](std::uint64_t sector, auto&& is) { return in_flight(sector) && is(in_flight_->tag); });
}

std::optional<std::string> DiskModel::check_after_power_loss(block::BlockDevice& disk) const {
    return check(disk, [&](std::uint64_t sector, auto&& is) { return left_by_power_loss(sector, is).has_value(); });
}

void DiskModel::settle(block::BlockDevice& disk) {
    in_flight_.reset();
    const std::optional<std::string> failure = check(disk, [&](std::uint64_t sector, auto&& is) {
        if (const std::optional<Tag> left = left_by_power_loss(sector, is)) {
            current_[static_cast<std::size_t>(sector)] = *left;
        }
        return true;
    });
    RS_ASSERT(!failure);
    flushed();
}

} // namespace rootstock::test
