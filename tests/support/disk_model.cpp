#include "support/disk_model.hpp"

#include <algorithm>

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

DiskModel::DiskModel(std::uint64_t sector_count, Tag base) : sectors_(static_cast<std::size_t>(sector_count), Sector{base, {}}) {}

void DiskModel::begin(std::uint64_t first, std::uint64_t count, Tag tag) {
    in_flight_ = InFlight{first, count, tag};
    for (std::uint64_t at = first; at < first + count; ++at) {
        sectors_[static_cast<std::size_t>(at)].since_flush.push_back(tag);
    }
}

Tag DiskModel::begin_write(std::uint64_t first, std::uint64_t count) {
    begin(first, count, next_tag_);
    return next_tag_++;
}

void DiskModel::begin_zero(std::uint64_t first, std::uint64_t count) { begin(first, count, zeros_tag); }

void DiskModel::acknowledged() {
    const InFlight done = *std::exchange(in_flight_, std::nullopt);
    for (std::uint64_t at = done.first; at < done.first + done.count; ++at) {
        Sector& sector = sectors_[static_cast<std::size_t>(at)];
        sector.since_flush.push_back(std::exchange(sector.current, done.tag));
    }
}

void DiskModel::flushed() { flushed_range(0, sectors_.size()); }

void DiskModel::flushed_range(std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t at = first; at < first + count; ++at) {
        sectors_[static_cast<std::size_t>(at)].since_flush.clear();
    }
}

void DiskModel::become(const DiskModel& other) {
    sectors_ = other.sectors_;
    next_tag_ = std::max(next_tag_, other.next_tag_);
    flushed();
}

bool DiskModel::in_flight(std::uint64_t sector) const {
    return in_flight_ && sector >= in_flight_->first && sector < in_flight_->first + in_flight_->count;
}

template <class Allowed> std::optional<std::string> DiskModel::check(block::BlockDevice& disk, Allowed&& allowed) const {
    constexpr std::uint64_t step = 4096;
    ByteVector actual(step * model_sector);
    ByteVector expected(model_sector);
    for (std::uint64_t first = 0; first < sectors_.size(); first += step) {
        const std::uint64_t count = std::min<std::uint64_t>(step, sectors_.size() - first);
        if (!disk.read(first * model_sector, MutableBytes(actual).first(count * model_sector))) {
            return "reading sector " + std::to_string(first) + " failed";
        }
        for (std::uint64_t at = 0; at < count; ++at) {
            const Bytes bytes = Bytes(actual).subspan(at * model_sector, model_sector);
            const auto is = [&](Tag tag) {
                fill_pattern(tag, first + at, expected);
                return std::equal(bytes.begin(), bytes.end(), expected.begin());
            };
            if (!allowed(sectors_[first + at], first + at, is)) {
                std::uint64_t word = 0;
                std::memcpy(&word, bytes.data(), sizeof word);
                return "sector " + std::to_string(first + at) + " must be of write " + std::to_string(sectors_[first + at].current) +
                       ", is of write " + (word == 0 ? "zeros" : std::to_string((word >> 32U) - 1)) + ", made for sector " +
                       std::to_string((word & 0xffffffffU) / 64);
            }
        }
    }
    return std::nullopt;
}

std::optional<std::string> DiskModel::check_after_process_death(block::BlockDevice& disk) const {
    return check(disk, [&](const Sector& sector, std::uint64_t number, auto&& is) {
        return is(sector.current) || (in_flight(number) && is(in_flight_->tag));
    });
}

std::optional<std::string> DiskModel::check_after_power_loss(block::BlockDevice& disk) const {
    return check(disk, [&](const Sector& sector, std::uint64_t, auto&& is) {
        return is(sector.current) || std::any_of(sector.since_flush.begin(), sector.since_flush.end(), is);
    });
}

void DiskModel::settle(block::BlockDevice& disk) {
    in_flight_.reset();
    const std::optional<std::string> wrong = check(disk, [&](const Sector& sector, std::uint64_t number, auto&& is) {
        const auto found = std::find_if(sector.since_flush.begin(), sector.since_flush.end(), is);
        if (!is(sector.current) && found != sector.since_flush.end()) {
            sectors_[static_cast<std::size_t>(number)].current = *found;
        }
        sectors_[static_cast<std::size_t>(number)].since_flush.clear();
        return true;
    });
    RS_ASSERT(!wrong);
}

} // namespace rootstock::test
