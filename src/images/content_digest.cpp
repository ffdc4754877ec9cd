#include "images/content_digest.hpp"

#include "core/digest.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <bit>

namespace rootstock::images {
namespace {

// RFC 6962 section 2.1: a leaf can never be taken for a node.
constexpr std::array<std::uint8_t, 1> leaf_prefix = {0x00};
constexpr std::array<std::uint8_t, 1> node_prefix = {0x01};

/// MTH of `leaves`, which are not empty: the left half is the largest power of two below their number, hence at most 40 calls deep.
ByteVector tree_hash(Bytes leaves) {
    const std::size_t count = leaves.size() / digest_size;
    if (count == 1) {
        return {leaves.begin(), leaves.end()};
    }
    const std::size_t left = std::bit_floor(count - 1) * digest_size;
    return hash(HashAlgorithm::sha256, {node_prefix, tree_hash(leaves.first(left)), tree_hash(leaves.subspan(left))});
}

/// Walks a file by pieces and leaves the page cache as it was.
class PieceReader {
  public:
    explicit PieceReader(File& file) : file_(file), buffer_(digest_piece_size) {
        if (auto mapping = file.map_read_only()) { // only to ask what is in memory: its bytes are never touched
            mapping_ = std::move(*mapping);
        }
    }

    Result<ByteVector> leaf(std::uint64_t offset, std::size_t size) {
        const bool was_in_memory = !mapping_ || offset + size > mapping_->bytes().size() || mapping_->resident(offset, size);
        const MutableBytes piece = MutableBytes(buffer_).first(size);
        if (auto read = file_.read_at(offset, piece); !read) {
            return read.error();
        }
        if (!was_in_memory) {
            file_.drop_cached(offset, size);
        }
        return piece_digest(piece, size);
    }

  private:
    File& file_;
    ByteVector buffer_;
    std::unique_ptr<Mapping> mapping_;
};

/// Calls `visit(offset, size)` for each piece of a file of `size` bytes.
template <class Visit> Result<void> each_piece(File& file, std::uint64_t size, const PieceProgress& progress, Visit visit) {
    for (std::uint64_t offset = 0; offset < size; offset += digest_piece_size) {
        if (progress && !progress(offset, size)) {
            return make_error(std::errc::operation_canceled, "reading " + file.path() + " was cancelled");
        }
        if (auto visited = visit(offset, static_cast<std::size_t>(std::min(digest_piece_size, size - offset))); !visited) {
            return visited;
        }
    }
    if (progress) {
        progress(size, size);
    }
    return {};
}

void add_damage(std::vector<File::Stretch>& damage, std::uint64_t offset, std::uint64_t length) {
    if (!damage.empty() && damage.back().offset + damage.back().length == offset) {
        damage.back().length += length;
    } else {
        damage.push_back({offset, length});
    }
}

} // namespace

std::string ContentDigest::root() const { return leaves.empty() ? hex(hash(HashAlgorithm::sha256, {})) : hex(tree_hash(leaves)); }

ByteVector piece_digest(Bytes data, std::uint64_t size) {
    static constexpr std::array<std::uint8_t, 4096> zeros{};
    Hasher hasher(HashAlgorithm::sha256);
    hasher.update(leaf_prefix);
    hasher.update(data);
    for (std::uint64_t left = size - data.size(); left != 0;) {
        const std::size_t step = std::min<std::uint64_t>(left, zeros.size());
        hasher.update(Bytes(zeros).first(step));
        left -= step;
    }
    return hasher.finish();
}

Result<ContentDigest> digest_file(File& file, const PieceProgress& progress) {
    const auto size = file.size();
    if (!size) {
        return size.error();
    }
    ContentDigest digest;
    digest.file_size = *size;
    PieceReader reader(file);
    const auto read = each_piece(file, *size, progress, [&](std::uint64_t offset, std::size_t length) -> Result<void> {
        const auto leaf = reader.leaf(offset, length);
        if (!leaf) {
            return leaf.error();
        }
        digest.leaves.insert(digest.leaves.end(), leaf->begin(), leaf->end());
        return {};
    });
    return read ? Result<ContentDigest>(std::move(digest)) : read.error();
}

Result<std::vector<File::Stretch>> compare_file(File& file, const ContentDigest& expected, const PieceProgress& progress) {
    const auto size = file.size();
    if (!size) {
        return size.error();
    }
    std::vector<File::Stretch> damage;
    PieceReader reader(file);
    const auto read = each_piece(file, expected.file_size, progress, [&](std::uint64_t offset, std::size_t length) -> Result<void> {
        const auto leaf = offset + length <= *size ? reader.leaf(offset, length) : Result<ByteVector>(ByteVector());
        if (!leaf || !std::ranges::equal(*leaf, expected.leaf(offset / digest_piece_size))) {
            add_damage(damage, offset, length);
        }
        return {};
    });
    if (!read) {
        return read.error();
    }
    if (*size > expected.file_size) {
        add_damage(damage, expected.file_size, *size - expected.file_size);
    }
    return damage;
}

} // namespace rootstock::images
