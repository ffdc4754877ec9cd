// ContentDigest: what the bytes of an immutable file are, as a hash tree (RFC 6962 section 2.1 with SHA-256) over pieces of 2 MiB of the file. The
// leaves are kept, so that a damage is located; the root stands for all of them. Computing it blocks.
#pragma once

#include "images/image_copy.hpp"

namespace rootstock::images {

inline constexpr std::uint64_t digest_piece_size = std::uint64_t{2} << 20U;
inline constexpr std::size_t digest_size = 32;

struct ContentDigest {
    std::uint64_t file_size = 0;
    ByteVector leaves; // digest_size bytes for each piece, in the order of the file; the last piece may be short

    [[nodiscard]] std::size_t piece_count() const { return leaves.size() / digest_size; }
    [[nodiscard]] Bytes leaf(std::size_t piece) const { return Bytes(leaves).subspan(piece * digest_size, digest_size); }
    /// In hexadecimal.
    [[nodiscard]] std::string root() const;
    bool operator==(const ContentDigest&) const = default;
};

/// The leaf of a piece that holds `data` and then zeros up to `size` bytes.
[[nodiscard]] ByteVector piece_digest(Bytes data, std::uint64_t size);

/// Called with the bytes done and in all before each piece and at the end; false cancels. It may sleep, to hold the reading back.
using PieceProgress = std::function<bool(std::uint64_t done_bytes, std::uint64_t total_bytes)>;

/// Reads all of `file`. What was not in memory before is given back to the kernel, so that the page cache keeps what machines read.
[[nodiscard]] Result<ContentDigest> digest_file(File& file, const PieceProgress& progress);

/// Stretches of `file` that are not what `expected` says, or cannot be read; neighbours are merged. A file that is too short or too long has its
/// tail among them. Empty: sound.
[[nodiscard]] Result<std::vector<File::Stretch>> compare_file(File& file, const ContentDigest& expected, const PieceProgress& progress);

} // namespace rootstock::images
