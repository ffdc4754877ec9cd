#include "images/vhd_layer.hpp"

#include "core/checked.hpp"
#include "core/unicode.hpp"
#include "images/bit_runs.hpp"
#include "images/limits.hpp"
#include "images/raw_layer.hpp"
#include "images/vhd_dynamic_header.hpp"
#include "images/vhd_footer.hpp"

#include <algorithm>

namespace rootstock::images {
namespace {

using namespace vhd;

constexpr std::string_view parent_rule = "its unique id is not the parent's ([VHD] Dynamic Disk Header Format, Parent Unique ID)";

/// The footer that counts, and where the disk's part of the file ends.
struct FoundFooter {
    VhdFooter footer;
    std::uint64_t data_end = 0; // where the footer begins; without one at the end: the end of the file
    std::vector<std::string> problems;
};

std::optional<ByteVector> read_there(File& file, std::uint64_t offset, std::size_t length, std::uint64_t file_size) {
    ByteVector bytes(length);
    return range_fits(offset, length, file_size) && file.read_at(offset, bytes) ? std::optional(std::move(bytes)) : std::nullopt;
}

/// The copy at the front of a file that is not fixed.
Result<VhdFooter, VhdError> read_copy(File& file, std::uint64_t size, VhdError otherwise) {
    const auto bytes = read_there(file, 0, footer_size, size);
    const auto footer = bytes ? decode_vhd_footer(*bytes) : Result<VhdFooter, VhdError>(otherwise);
    return footer && footer->type != DiskType::fixed ? footer : Result<VhdFooter, VhdError>(footer ? otherwise : footer.error());
}

Result<FoundFooter, VhdError> find_footer(File& file, std::uint64_t size) {
    VhdError error = VhdError::footer_none_valid;
    for (const std::size_t length : {footer_size, old_footer_size}) {
        const auto bytes = size < length ? std::nullopt : read_there(file, size - length, length, size);
        const auto footer = bytes ? decode_vhd_footer(*bytes) : Result<VhdFooter, VhdError>(error);
        if (!footer) {
            error = footer.error() == VhdError::footer_none_valid ? error : footer.error();
            continue;
        }
        FoundFooter found{*footer, size - length, {}};
        if (footer->type != DiskType::fixed) {
            const auto copy = read_copy(file, size, VhdError::footer_none_valid);
            if (!copy || *copy != *footer) {
                found.problems.emplace_back("the copy of the footer at the start of the file is damaged or differs ([VHD] Dynamic Hard Disk Image)");
            }
        }
        return found;
    }
    const auto copy = read_copy(file, size, error);
    if (!copy) {
        return copy.error();
    }
    return FoundFooter{*copy, size, {"the footer at the end of the file is damaged; its copy at the start was used ([VHD] Hard Disk Footer Format)"}};
}

/// Dynamic and differencing.
class BlockLayer final : public ImageLayer {
  public:
    BlockLayer(std::unique_ptr<File> file, LayerFacts facts, const VhdDynamicHeader& header, std::vector<std::uint32_t> table)
        : file_(std::move(file)), facts_(std::move(facts)), block_size_(header.block_size), bitmap_size_(header.bitmap_size()), table_(std::move(table)) {}

    const LayerFacts& facts() const override { return facts_; }
    File& file() override { return *file_; }

    Result<Piece> locate(std::uint64_t offset, std::uint64_t length) override {
        const std::uint64_t block = offset / block_size_;
        const std::uint64_t in_block = offset % block_size_;
        const std::uint64_t count = std::min(length, block_size_ - in_block);
        if (table_[block] == unused_block) {
            return Piece{facts_.parent ? PieceSource::parent : PieceSource::zeros, offset, count, 0};
        }
        const Piece own{PieceSource::own, offset, count, table_[block] * sector + bitmap_size_ + in_block};
        if (!facts_.parent) {
            return own; // a block is zeros when it is made, so the bits of a disk without a parent tell nothing that the data does not
        }
        if (auto loaded = load_bits(block); !loaded) {
            return loaded.error();
        }
        const BitRun run = next_bit_run([this](std::uint64_t word) { return bits_[word]; }, in_block / sector, div_up(in_block + count, sector));
        const std::uint64_t run_bytes = std::min(run.length * sector - in_block % sector, count);
        return run.set ? Piece{PieceSource::own, offset, run_bytes, own.file_offset} : Piece{PieceSource::parent, offset, run_bytes, 0};
    }

    Result<void> read_own(std::uint64_t file_offset, MutableBytes out) override { return file_->read_at(file_offset, out); }

  private:
    /// The block's bitmap, with the first sector as the lowest bit: VHD has it as the highest of its byte.
    Result<void> load_bits(std::uint64_t block) {
        if (bits_of_ == block) {
            return {};
        }
        bits_of_.reset();
        bits_.resize(bitmap_size_ / sizeof(std::uint64_t));
        const MutableBytes bytes(reinterpret_cast<std::uint8_t*>(bits_.data()), bitmap_size_);
        if (auto read = file_->read_at(table_[block] * sector, bytes); !read) {
            return read;
        }
        for (std::uint8_t& byte : bytes) {
            std::uint8_t reversed = 0;
            for (unsigned bit = 0; bit < 8; ++bit) {
                reversed = static_cast<std::uint8_t>(reversed | ((static_cast<unsigned>(byte) >> bit & 1U) << (7U - bit)));
            }
            byte = reversed;
        }
        bits_of_ = block;
        return {};
    }

    std::unique_ptr<File> file_;
    LayerFacts facts_;
    std::uint64_t block_size_;
    std::uint64_t bitmap_size_;
    std::vector<std::uint32_t> table_; // one entry for each block of the disk
    std::vector<std::uint64_t> bits_;
    std::optional<std::uint64_t> bits_of_;
};

/// A stretch of the file that something owns.
struct Owned {
    std::uint64_t offset;
    std::uint64_t length;
};

/// Every block of the disk lies whole in the file and over nothing else.
Result<void, VhdError> check_table(const std::vector<std::uint32_t>& table, const VhdDynamicHeader& header, const FoundFooter& found) {
    std::vector<Owned> owned{{0, footer_size},
                             {found.footer.data_offset, dynamic_header_size},
                             {header.table_offset, std::uint64_t{header.max_table_entries} * sizeof(be32)}};
    for (std::uint64_t block = 0; block < table.size(); ++block) {
        if (table[block] == unused_block) {
            continue;
        }
        // The last block may end with the disk.
        const std::uint64_t data = std::min<std::uint64_t>(header.block_size, found.footer.current_size - block * header.block_size);
        const Owned place{table[block] * sector, header.bitmap_size() + data};
        if (!range_fits(place.offset, place.length, found.data_end)) {
            return VhdError::block_placement;
        }
        owned.push_back(place);
    }
    std::ranges::sort(owned, {}, &Owned::offset);
    const bool overlap = std::ranges::adjacent_find(owned, [](const Owned& a, const Owned& b) { return a.offset + a.length > b.offset; }) != owned.end();
    return overlap ? Result<void, VhdError>(VhdError::block_overlap) : Result<void, VhdError>();
}

/// The table's entries for the blocks of the disk.
Result<std::vector<std::uint32_t>> read_table(File& file, const VhdDynamicHeader& header, const FoundFooter& found) {
    const std::uint64_t blocks = div_up(found.footer.current_size, header.block_size);
    if (header.max_table_entries < blocks) {
        return vhd_failure(file.path(), VhdError::table_too_small);
    }
    if (header.max_table_entries > limits::vhd_table_entries) {
        return vhd_failure(file.path(), VhdError::table_too_large);
    }
    if (!range_fits(header.table_offset, std::uint64_t{header.max_table_entries} * sizeof(be32), found.data_end)) {
        return vhd_failure(file.path(), VhdError::table_placement);
    }
    std::vector<be32> raw(blocks);
    const MutableBytes bytes(reinterpret_cast<std::uint8_t*>(raw.data()), raw.size() * sizeof(be32));
    if (auto read = file.read_at(header.table_offset, bytes); !read) {
        return read.error();
    }
    std::vector<std::uint32_t> table(raw.begin(), raw.end());
    if (auto sound = check_table(table, header, found); !sound) {
        return vhd_failure(file.path(), sound.error());
    }
    return table;
}

Result<std::string> read_locator(File& file, const VhdParentLocator& locator, std::uint64_t file_size) {
    const auto bytes = locator.length > limits::vhd_locator_bytes ? std::nullopt : read_there(file, locator.offset, locator.length, file_size);
    auto text = bytes ? utf8_from_utf16le(*bytes) : std::nullopt;
    if (!text) {
        return vhd_failure(file.path(), VhdError::parent_locator);
    }
    text->resize(std::min(text->size(), text->find('\0'))); // some writers count the NUL
    return std::move(*text);
}

/// The relative path first: a chain that was moved as a whole is found where it is, not where it was.
Result<ParentLink> read_parent(File& file, const VhdDynamicHeader& header, std::uint64_t file_size) {
    ParentLink parent{{header.parent_unique_id}, {}, parent_rule};
    for (const Code& code : {relative_path_code, absolute_path_code}) {
        for (const VhdParentLocator& locator : header.locators) {
            if (locator.platform_code != code) {
                continue;
            }
            auto path = read_locator(file, locator, file_size);
            if (!path) {
                return path.error();
            }
            parent.paths.push_back(std::move(*path));
        }
    }
    if (!header.parent_name.empty()) {
        parent.paths.push_back(header.parent_name);
    }
    if (parent.paths.empty()) {
        return vhd_failure(file.path(), VhdError::parent_name_missing);
    }
    return parent;
}

Result<std::unique_ptr<ImageLayer>> open_blocks(std::unique_ptr<File> file, LayerFacts facts, const FoundFooter& found, std::uint64_t file_size) {
    const auto record = read_there(*file, found.footer.data_offset, dynamic_header_size, found.data_end);
    if (!record) {
        return vhd_failure(file->path(), VhdError::header_placement);
    }
    const auto header = decode_vhd_dynamic_header(*record);
    if (!header) {
        return vhd_failure(file->path(), header.error());
    }
    auto table = read_table(*file, *header, found);
    if (!table) {
        return table.error();
    }
    facts.kind = "dynamic";
    if (found.footer.type == DiskType::differencing) {
        auto parent = read_parent(*file, *header, file_size);
        if (!parent) {
            return parent.error();
        }
        facts.kind = "differencing";
        facts.parent = std::move(*parent);
    }
    return std::unique_ptr<ImageLayer>(std::make_unique<BlockLayer>(std::move(file), std::move(facts), *header, std::move(*table)));
}

} // namespace

Result<std::unique_ptr<ImageLayer>> open_vhd_layer(std::unique_ptr<File> file) {
    const auto size = file->size();
    if (!size) {
        return size.error();
    }
    const auto found = find_footer(*file, *size);
    if (!found) {
        return vhd_failure(file->path(), found.error());
    }
    LayerFacts facts;
    facts.format = ImageFormat::vhd;
    facts.size_bytes = found->footer.current_size;
    facts.physical_sector_size = 512;
    facts.identity = found->footer.unique_id;
    facts.problems = found->problems;
    if (found->footer.saved_state) {
        facts.notes.emplace_back("the disk belongs to a virtual machine that was suspended, not shut down");
    }
    if (found->footer.type != DiskType::fixed) {
        return open_blocks(std::move(file), std::move(facts), *found, *size);
    }
    if (found->footer.current_size > found->data_end) {
        return vhd_failure(file->path(), VhdError::fixed_too_short);
    }
    facts.kind = "fixed";
    return make_flat_layer(std::move(file), std::move(facts), found->footer.current_size);
}

} // namespace rootstock::images
