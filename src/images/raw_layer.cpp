#include "images/raw_layer.hpp"

#include "core/checked.hpp"
#include "images/limits.hpp"

#include <algorithm>

namespace rootstock::images {
namespace {

class FlatLayer final : public ImageLayer {
  public:
    FlatLayer(std::unique_ptr<File> file, LayerFacts facts, std::uint64_t data_size)
        : file_(std::move(file)), facts_(std::move(facts)), data_size_(data_size) {}

    const LayerFacts& facts() const override { return facts_; }
    File& file() override { return *file_; }

    Result<Piece> locate(std::uint64_t offset, std::uint64_t length) override {
        if (offset >= data_size_) {
            return Piece{PieceSource::zeros, offset, length, 0};
        }
        if (auto found = find_stretch(offset); !found) {
            return found.error();
        }
        if (offset < stretch_.offset) {
            return Piece{PieceSource::zeros, offset, std::min(length, stretch_.offset - offset), 0};
        }
        return Piece{PieceSource::own, offset, std::min(length, stretch_.offset + stretch_.length - offset), offset};
    }

    Result<void> read_own(std::uint64_t file_offset, MutableBytes out) override { return file_->read_at(file_offset, out); }

  private:
    /// Makes stretch_ the data at or behind `offset`; asks the file system only when the last answer does not tell.
    Result<void> find_stretch(std::uint64_t offset) {
        if (offset >= searched_from_ && offset < stretch_.offset + stretch_.length) {
            return {};
        }
        const auto next = file_->next_data(offset);
        if (!next) {
            return next.error();
        }
        stretch_ = next->value_or(File::Stretch{data_size_, 0});
        stretch_.offset = std::min(stretch_.offset, data_size_);
        stretch_.length = std::min(stretch_.length, data_size_ - stretch_.offset);
        searched_from_ = offset;
        return {};
    }

    std::unique_ptr<File> file_;
    LayerFacts facts_;
    std::uint64_t data_size_;
    File::Stretch stretch_; // of data; [searched_from_, stretch_.offset) is a hole
    std::uint64_t searched_from_ = 0;
};

} // namespace

std::unique_ptr<ImageLayer> make_flat_layer(std::unique_ptr<File> file, LayerFacts facts, std::uint64_t data_size) {
    return std::make_unique<FlatLayer>(std::move(file), std::move(facts), data_size);
}

Result<std::unique_ptr<ImageLayer>> open_raw_layer(std::unique_ptr<File> file) {
    const auto size = file->size();
    if (!size) {
        return size.error();
    }
    if (*size == 0 || *size > limits::virtual_size) {
        return make_error(std::errc::invalid_argument, file->path() + " has " + std::to_string(*size) + " bytes; a disk has from 1 byte to 64 TiB");
    }
    LayerFacts facts;
    facts.size_bytes = *size % 512 == 0 ? *size : round_up(*size, std::uint64_t{1} << 20U);
    return make_flat_layer(std::move(file), std::move(facts), *size);
}

} // namespace rootstock::images
