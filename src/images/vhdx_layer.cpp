#include "images/vhdx_layer.hpp"

#include "images/bit_runs.hpp"
#include "images/vhdx_image.hpp"

#include <algorithm>

namespace rootstock::images {
namespace {

using namespace vhdx;

class VhdxLayer final : public ImageLayer {
  public:
    VhdxLayer(std::unique_ptr<File> file, VhdxImage image, std::vector<std::uint64_t> bat, LayerFacts facts, std::uint64_t real_size)
        : file_(std::move(file)), image_(std::move(image)), geometry_(image_.geometry()), bat_(std::move(bat)), facts_(std::move(facts)),
          real_size_(real_size) {}

    const LayerFacts& facts() const override { return facts_; }
    File& file() override { return *file_; }

    Result<Piece> locate(std::uint64_t offset, std::uint64_t length) override {
        const std::uint64_t block = offset / geometry_.block_size();
        const std::uint64_t in_block = offset % geometry_.block_size();
        const std::uint64_t count = std::min(length, geometry_.block_size() - in_block);
        const auto entry = decode_payload_entry(bat_[geometry_.payload_index(block)]);
        if (!entry) {
            return vhdx_failure(file_->path(), entry.error());
        }
        switch (entry->state) {
        case PayloadState::not_present: return Piece{facts_.parent ? PieceSource::parent : PieceSource::zeros, offset, count, 0};
        case PayloadState::fully_present: return Piece{PieceSource::own, offset, count, entry->file_offset + in_block};
        case PayloadState::partially_present: return locate_partial(block, *entry, offset, count);
        case PayloadState::undefined: // may be anything, and the parent's contents never are
        case PayloadState::zero:
        case PayloadState::unmapped: break;
        }
        return Piece{PieceSource::zeros, offset, count, 0};
    }

    Result<void> read_own(std::uint64_t file_offset, MutableBytes out) override {
        // What the log's sequence says that the file grew by, and is not there, is zeros ([MS-VHDX] 2.3.3).
        const std::uint64_t there = file_offset < real_size_ ? std::min<std::uint64_t>(out.size(), real_size_ - file_offset) : 0;
        if (auto read = file_->read_at(file_offset, out.first(there)); there != 0 && !read) {
            return read;
        }
        std::ranges::fill(out.subspan(there), std::uint8_t{0});
        if (image_.replay) {
            image_.replay->overlay(file_offset, out);
        }
        return {};
    }

  private:
    Result<Piece> locate_partial(std::uint64_t block, const PayloadEntry& entry, std::uint64_t offset, std::uint64_t count) {
        if (auto loaded = load_bits(block); !loaded) {
            return loaded.error();
        }
        const std::uint64_t sector = geometry_.sector_size();
        const std::uint64_t in_block = offset % geometry_.block_size();
        const BitRun run = next_bit_run([this](std::uint64_t word) { return bits_[word]; }, in_block / sector, div_up(in_block + count, sector));
        const std::uint64_t length = std::min(run.length * sector - in_block % sector, count);
        return run.set ? Piece{PieceSource::own, offset, length, entry.file_offset + in_block} : Piece{PieceSource::parent, offset, length, 0};
    }

    /// The bits of the block's sectors; check_bat() has seen that it has a sector bitmap block.
    Result<void> load_bits(std::uint64_t block) {
        if (bits_of_ == block) {
            return {};
        }
        bits_of_.reset();
        bits_.resize(geometry_.sectors_per_block() / 64);
        const auto bitmap = decode_bitmap_entry(bat_[geometry_.bitmap_index(geometry_.chunk_of_block(block))]);
        if (!bitmap) {
            return vhdx_failure(file_->path(), bitmap.error());
        }
        const MutableBytes bytes(reinterpret_cast<std::uint8_t*>(bits_.data()), bits_.size() * sizeof(std::uint64_t));
        if (auto read = read_own(bitmap->file_offset + geometry_.first_bit_of_block(block) / 8, bytes); !read) {
            return read;
        }
        bits_of_ = block;
        return {};
    }

    std::unique_ptr<File> file_;
    VhdxImage image_;
    BatGeometry geometry_;
    std::vector<std::uint64_t> bat_;
    LayerFacts facts_;
    std::uint64_t real_size_;
    std::vector<std::uint64_t> bits_;
    std::optional<std::uint64_t> bits_of_; // which block's
};

/// Which of the structures that a file has twice are broken. A header is written in place while the other one counts, so that power lost then
/// leaves a file with one good header, and it is sound; region tables are written once.
Result<void> look_at_copies(File& file, LayerFacts& facts) {
    for (std::size_t i = 0; i < 2; ++i) {
        ByteVector header(header_size);
        ByteVector table(region_table_size);
        if (auto read = file.read_at(header_offsets[i], header); !read) {
            return read.error();
        }
        if (auto read = file.read_at(region_table_offsets[i], table); !read) {
            return read.error();
        }
        const std::string number = std::to_string(i + 1);
        if (!decode_header(header)) {
            facts.notes.push_back("header " + number + " is torn; the other one was used ([MS-VHDX] 2.2.2)");
        }
        if (!decode_region_table(table)) {
            facts.problems.push_back("region table " + number + " is damaged; the other one was used ([MS-VHDX] 2.2.3)");
        }
    }
    return {};
}

ParentLink parent_of(const VhdxParentLocator& locator) {
    ParentLink parent{locator.linkages(), {}, "parent_linkage is not its DataWriteGuid ([MS-VHDX] 2.6.2.6.3)"};
    for (const char* key : {"relative_path", "volume_path", "absolute_win32_path"}) {
        if (auto path = locator.find(key)) {
            parent.paths.push_back(std::move(*path));
        }
    }
    return parent;
}

LayerFacts facts_of(const VhdxImage& image) {
    const VhdxMetadata& metadata = image.metadata;
    LayerFacts facts;
    facts.format = ImageFormat::vhdx;
    facts.kind = metadata.leave_block_allocated ? "fixed" : "dynamic";
    facts.size_bytes = metadata.virtual_disk_size;
    facts.logical_sector_size = metadata.logical_sector_size;
    facts.physical_sector_size = metadata.physical_sector_size;
    facts.identity = image.current.header.data_write_guid;
    if (metadata.parent) {
        facts.kind = "differencing";
        facts.parent = parent_of(*metadata.parent);
    }
    if (image.replay) {
        facts.notes.emplace_back("the file was not closed cleanly; its log was replayed in memory");
    }
    return facts;
}

} // namespace

Result<std::unique_ptr<ImageLayer>> open_vhdx_layer(std::unique_ptr<File> file) {
    auto image = open_vhdx_read_only(*file);
    if (!image) {
        return image.error();
    }
    const std::uint64_t real_size = image->file_size;
    if (image->replay) {
        image->file_size = std::max(image->file_size, image->replay->last_file_offset());
    }
    auto bat = read_bat(*file, *image);
    if (!bat) {
        return bat.error();
    }
    LayerFacts facts = facts_of(*image);
    if (auto looked = look_at_copies(*file, facts); !looked) {
        return looked.error();
    }
    return std::unique_ptr<ImageLayer>(std::make_unique<VhdxLayer>(std::move(file), std::move(*image), std::move(*bat), std::move(facts), real_size));
}

} // namespace rootstock::images
