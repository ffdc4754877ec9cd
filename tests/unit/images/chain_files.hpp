// Differencing disks written by the book, block by block, beside a model of what they hold: for the tests of readers. Own arithmetic throughout.
#pragma once

#include "core/random.hpp"
#include "images/vhd_dynamic_header.hpp"
#include "images/vhd_footer.hpp"
#include "core/unicode.hpp"
#include "images/vhdx_create.hpp"
#include "images/vhdx_image.hpp"
#include "images_test_files.hpp"

#include <algorithm>
#include <map>

namespace rootstock {

/// A disk's contents, and the means to change them.
struct DiskModel {
    ByteVector bytes;
    SeededRandom random;

    DiskModel(std::uint64_t size, std::uint64_t seed) : bytes(size), random(seed) {}
    ByteVector noise(std::uint64_t offset, std::uint64_t length) {
        ByteVector made(std::min<std::uint64_t>(length, bytes.size() - offset));
        random.fill(made);
        std::ranges::copy(made, bytes.begin() + static_cast<std::ptrdiff_t>(offset));
        return made;
    }
    void zero(std::uint64_t offset, std::uint64_t length) {
        const std::uint64_t end = std::min<std::uint64_t>(offset + length, bytes.size());
        std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(offset), bytes.begin() + static_cast<std::ptrdiff_t>(end), std::uint8_t{0});
    }
};

/// An open VHDX whose blocks are given states one by one ([MS-VHDX] 2.4, 2.5).
class VhdxFile {
  public:
    VhdxFile(images::FileSystem& files, const std::string& path, images::VhdxMetadata metadata, std::uint64_t seed) : random_(seed), geometry_(metadata) {
        const auto created = images::create_vhdx(files, path, metadata, random_);
        REQUIRE(created);
        plan_ = images::plan_vhdx(metadata, images::vhdx_log_length_writable);
        file_ = value_of(files.open(path, images::OpenMode::read_write));
        end_ = plan_.payload_offset;
        image_ = value_of(images::open_vhdx_read_only(*file_));
    }
    [[nodiscard]] const Guid& data_write_guid() const { return image_.current.header.data_write_guid; }
    [[nodiscard]] std::uint64_t block_size() const { return geometry_.block_size(); }
    [[nodiscard]] std::uint64_t block_count() const { return geometry_.block_count(); }
    [[nodiscard]] images::File& file() { return *file_; }
    [[nodiscard]] const images::VhdxPlan& plan() const { return plan_; }

    /// Gives the block a place in the file; its contents are junk until written.
    void place(std::uint64_t block, images::PayloadState state) {
        ByteVector junk(block_size(), 0xee);
        REQUIRE(file_->write_at(end_, junk));
        put_state(block, {state, end_});
        places_[block] = end_;
        end_ += block_size();
    }
    void put_state(std::uint64_t block, const images::PayloadEntry& entry) {
        const le64 raw(images::encode_entry(entry));
        REQUIRE(file_->write_at(plan_.regions.bat.offset + geometry_.payload_index(block) * 8, object_bytes(raw)));
    }
    void write(std::uint64_t offset, Bytes data) {
        REQUIRE(file_->write_at(places_.at(offset / block_size()) + offset % block_size(), data));
    }
    /// Sets the bits of the sectors in [offset, offset + length).
    void own(std::uint64_t offset, std::uint64_t length) {
        for (std::uint64_t sector = offset / geometry_.sector_size(); sector < (offset + length) / geometry_.sector_size(); ++sector) {
            const std::uint64_t bit = sector % (std::uint64_t{1} << 23U);
            const std::uint64_t at = plan_.bitmap_offset + (sector >> 23U << 20U) + bit / 8;
            std::uint8_t byte = 0;
            REQUIRE(file_->read_at(at, {&byte, 1}));
            byte = static_cast<std::uint8_t>(byte | 1U << (bit % 8));
            REQUIRE(file_->write_at(at, {&byte, 1}));
        }
    }

  private:
    SeededRandom random_;
    images::BatGeometry geometry_;
    images::VhdxPlan plan_;
    images::VhdxImage image_;
    std::unique_ptr<images::File> file_;
    std::uint64_t end_ = 0;
    std::map<std::uint64_t, std::uint64_t> places_;
};

/// Each block in a state of its own: the parent's, full, partial, zero, unmapped, undefined. The model follows.
inline void fill_child(VhdxFile& child, DiskModel& model, std::uint64_t sector) {
    using images::PayloadState;
    for (std::uint64_t block = 0; block < child.block_count(); ++block) {
        const std::uint64_t offset = block * child.block_size();
        const std::uint64_t length = std::min<std::uint64_t>(child.block_size(), model.bytes.size() - offset);
        switch (model.random.u32() % 6) {
        case 0: break;
        case 1:
            child.place(block, PayloadState::fully_present);
            child.write(offset, model.noise(offset, length));
            break;
        case 2:
            child.put_state(block, {PayloadState::zero, 0});
            model.zero(offset, length);
            break;
        case 3:
            child.own(offset, sector); // stale: the block is the parent's
            break;
        default:
            child.place(block, PayloadState::partially_present);
            for (int run = 0; run < 5; ++run) {
                const std::uint64_t first = model.random.u32() % (length / sector);
                const std::uint64_t count = std::min<std::uint64_t>(1 + model.random.u32() % 40, length / sector - first);
                child.write(offset + first * sector, model.noise(offset + first * sector, count * sector));
                child.own(offset + first * sector, count * sector);
            }
        }
    }
}

/// A VHD that is not fixed, written by the book ([VHD]): footers, header, table, blocks.
class VhdFile {
  public:
    static constexpr std::uint64_t block = std::uint64_t{2} << 20U;

    struct Parent {
        Guid unique_id;
        std::vector<std::pair<std::string, std::string>> locators; // code, path in UTF-8
    };

    VhdFile(images::FileSystem& files, const std::string& path, std::uint64_t size, const Guid& unique_id, const std::optional<Parent>& parent)
        : file_(value_of(files.open(path, images::OpenMode::create_new))), table_((size + block - 1) / block, be32(0xffffffff)) {
        footer_.type = parent ? images::vhd::DiskType::differencing : images::vhd::DiskType::dynamic;
        footer_.data_offset = 512;
        footer_.current_size = size;
        footer_.unique_id = unique_id;
        header_ = encoded_header(parent);
        end_ = 64U << 10U;
    }
    void place(std::uint64_t index, std::uint8_t bits = 0) {
        table_[index] = static_cast<std::uint32_t>(end_ / 512);
        REQUIRE(file_->write_at(end_, ByteVector(512, bits)));
        REQUIRE(file_->write_at(end_ + 512, ByteVector(block, 0xee)));
        end_ += 512 + block;
    }
    void write(std::uint64_t offset, Bytes data) { REQUIRE(file_->write_at(place_of(offset) + 512 + offset % block, data)); }
    void own(std::uint64_t offset, std::uint64_t length) {
        for (std::uint64_t at = offset; at < offset + length; at += 512) {
            const std::uint64_t bit = at % block / 512;
            std::uint8_t byte = 0;
            REQUIRE(file_->read_at(place_of(at) + bit / 8, {&byte, 1}));
            byte = static_cast<std::uint8_t>(byte | 0x80U >> (bit % 8));
            REQUIRE(file_->write_at(place_of(at) + bit / 8, {&byte, 1}));
        }
    }
    void finish() {
        const ByteVector footer = images::encode_vhd_footer(footer_);
        REQUIRE(file_->write_at(0, footer));
        REQUIRE(file_->write_at(512, header_));
        REQUIRE(file_->write_at(1536, Bytes(reinterpret_cast<const std::uint8_t*>(table_.data()), table_.size() * 4)));
        REQUIRE(file_->write_at(end_, footer));
    }
    images::File& file() { return *file_; }

  private:
    std::uint64_t place_of(std::uint64_t offset) const { return std::uint64_t{table_[offset / block]} * 512; }

    ByteVector encoded_header(const std::optional<Parent>& parent) {
        images::VhdDynamicHeader header;
        header.table_offset = 1536;
        header.max_table_entries = static_cast<std::uint32_t>(table_.size());
        const ByteVector plain = images::encode_vhd_dynamic_header(header);
        auto raw = from_bytes<images::vhd::DynamicHeaderRecord>(plain);
        if (parent) {
            raw.parent_unique_id = parent->unique_id;
            std::uint64_t at = 32U << 10U;
            for (std::size_t i = 0; i < parent->locators.size(); ++i) {
                const auto text = utf16le_from_utf8(parent->locators[i].second);
                REQUIRE(file_->write_at(at, *text));
                auto& locator = raw.parent_locators[i];
                std::copy_n(parent->locators[i].first.begin(), 4, locator.platform_code.begin());
                locator.platform_data_space = 512;
                locator.platform_data_length = static_cast<std::uint32_t>(text->size());
                locator.platform_data_offset = at;
                at += 1024;
            }
        }
        raw.checksum = images::vhd_checksum(object_bytes(raw), images::vhd_header_checksum_offset);
        const Bytes bytes = object_bytes(raw);
        return {bytes.begin(), bytes.end()};
    }

    std::unique_ptr<images::File> file_;
    images::VhdFooter footer_;
    ByteVector header_;
    std::vector<be32> table_;
    std::uint64_t end_;
};

} // namespace rootstock
