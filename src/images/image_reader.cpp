#include "images/image_reader.hpp"

#include "core/text.hpp"
#include "images/limits.hpp"
#include "images/parent_path.hpp"
#include "images/raw_layer.hpp"
#include "images/unpack.hpp"
#include "images/vhd_layer.hpp"
#include "images/vhdx_layer.hpp"

#include <algorithm>

namespace rootstock::images {
namespace {

Error bad_parent(const std::string& child, const std::string& parent, const std::string& why) {
    return make_error(std::errc::illegal_byte_sequence, child + " is a differencing disk, and its parent " + parent + " " + why);
}

Error no_parent(const std::string& child, const std::vector<std::string>& candidates) {
    return make_error(std::errc::no_such_file_or_directory,
                      child + " is a differencing disk, and its parent is not there (looked for " + join(candidates, ", ") +
                          "); put the parent beside it");
}

} // namespace

Result<void> check_is_parent(const std::string& child_path, const LayerFacts& child, const std::string& path, const LayerFacts& parent) {
    const ParentLink& link = *child.parent;
    if (parent.format != child.format) {
        return bad_parent(child_path, path,
                          "is a " + std::string(format_name(parent.format)) + " image, not " + std::string(format_name(child.format)));
    }
    if (std::ranges::find(link.identities, parent.identity) == link.identities.end()) {
        return bad_parent(child_path, path,
                          "is not the disk that it was made on, or was changed since: " + std::string(link.rule) + "; restore the original parent");
    }
    if (parent.logical_sector_size != child.logical_sector_size) {
        return bad_parent(child_path, path, "has another logical sector size ([MS-VHDX] 2.6.2.4)");
    }
    return {};
}

Result<ChainPiece> locate_in_chain(ImageLayers layers, std::uint64_t offset, std::uint64_t length) {
    ChainPiece found{0, {PieceSource::parent, offset, length, 0}};
    for (std::size_t at = 0; at < layers.size(); ++at) {
        const std::uint64_t size = layers[at]->facts().size_bytes;
        if (offset >= size) { // a child may be larger than its parent
            found.piece.source = PieceSource::zeros;
            return found;
        }
        auto piece = layers[at]->locate(offset, std::min(found.piece.length, size - offset));
        if (!piece) {
            return piece.error();
        }
        found = {at, *piece};
        if (piece->source != PieceSource::parent) {
            break;
        }
    }
    return found;
}

Result<std::unique_ptr<ImageLayer>> open_image_layer(FileSystem& files, const std::string& path) {
    auto file = files.open(path, OpenMode::read_only);
    if (!file) {
        return file.error();
    }
    const auto format = probe_format(**file);
    if (!format) {
        return format.error();
    }
    switch (*format) {
    case ImageFormat::raw: return open_raw_layer(std::move(*file));
    case ImageFormat::vhd: return open_vhd_layer(std::move(*file));
    case ImageFormat::vhdx: return open_vhdx_layer(std::move(*file));
    default: break;
    }
    return is_packed(*format) ? is_packed_error(path, *format) : make_error(std::errc::not_supported, path + " is a " + std::string(format_name(*format)) + " image, which is not read directly");
}

Result<ImageReader> ImageReader::open_raw(FileSystem& files, const std::string& path) {
    auto file = files.open(path, OpenMode::read_only);
    if (!file) {
        return file.error();
    }
    auto layer = open_raw_layer(std::move(*file));
    if (!layer) {
        return layer.error();
    }
    ImageReader reader;
    auto added = reader.add(std::move(*layer));
    return added ? Result<ImageReader>(std::move(reader)) : Result<ImageReader>(added.error());
}

Result<ImageReader> ImageReader::open(FileSystem& files, const std::string& path) {
    ImageReader reader;
    auto layer = open_image_layer(files, path);
    if (!layer) {
        return layer.error();
    }
    auto added = reader.add(std::move(*layer));
    while (added && reader.layers_.back()->facts().parent) {
        added = reader.add_parent(files);
    }
    return added ? Result<ImageReader>(std::move(reader)) : Result<ImageReader>(added.error());
}

Result<void> ImageReader::add(std::unique_ptr<ImageLayer> layer) {
    const auto stamp = layer->file().stamp();
    if (!stamp) {
        return stamp.error();
    }
    const bool known = std::ranges::any_of(stamps_, [&](const File::Stamp& other) { return other.device == stamp->device && other.inode == stamp->inode; });
    if (known) {
        return make_error(std::errc::illegal_byte_sequence, layers_.front()->file().path() + ": its chain of parents comes back to " + layer->file().path());
    }
    if (layers_.size() == limits::chain_depth) {
        return make_error(std::errc::not_supported, layers_.front()->file().path() + " has a chain of more than " + std::to_string(limits::chain_depth) +
                                                        " files; merge some of them first (Hyper-V: Merge-VHD)");
    }
    stamps_.push_back(*stamp);
    layers_.push_back(std::move(layer));
    return {};
}

/// The first candidate that is the parent. One that is there and is not: told only when no other is it.
Result<void> ImageReader::add_parent(FileSystem& files) {
    const std::string child = layers_.back()->file().path();
    const LayerFacts& facts = layers_.back()->facts();
    const std::vector<std::string> candidates = parent_candidates(child, facts.parent->paths);
    std::optional<Error> first_failure;
    for (const std::string& candidate : candidates) {
        if (!files.exists(candidate)) {
            continue;
        }
        auto layer = open_image_layer(files, candidate);
        const auto sound = layer ? check_is_parent(child, facts, candidate, (*layer)->facts()) : Result<void>(layer.error());
        if (sound) {
            return add(std::move(*layer));
        }
        first_failure = first_failure ? first_failure : sound.error();
    }
    return first_failure ? *first_failure : no_parent(child, candidates);
}

Result<ImageReader::Found> ImageReader::find(std::uint64_t offset, std::uint64_t length) {
    const auto found = locate_in_chain(layers_, offset, length);
    if (!found) {
        return found.error();
    }
    return Found{found->piece.source == PieceSource::own ? layers_[found->layer].get() : nullptr, found->piece};
}

Result<ImageReader::Extent> ImageReader::extent(std::uint64_t offset, std::uint64_t length) {
    const auto found = find(offset, length);
    if (!found) {
        return found.error();
    }
    return Extent{found->piece.length, found->layer != nullptr};
}

Result<void> ImageReader::read(std::uint64_t offset, MutableBytes out) {
    while (!out.empty()) {
        const auto found = find(offset, out.size());
        if (!found) {
            return found.error();
        }
        const MutableBytes part = out.first(found->piece.length);
        if (found->layer == nullptr) {
            std::ranges::fill(part, std::uint8_t{0});
        } else if (auto read = found->layer->read_own(found->piece.file_offset, part); !read) {
            return read;
        }
        offset += part.size();
        out = out.subspan(part.size());
    }
    return {};
}

Result<void> ImageReader::check_unchanged() {
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        const auto now = layers_[i]->file().stamp();
        if (!now) {
            return now.error();
        }
        if (*now != stamps_[i]) {
            return make_error(std::errc::device_or_resource_busy, layers_[i]->file().path() +
                                                                      " was changed while it was read; stop what writes to it (a running virtual machine?) and try again");
        }
    }
    return {};
}

} // namespace rootstock::images
