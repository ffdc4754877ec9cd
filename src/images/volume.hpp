// What may be said of a volume, a plain disk that no machine boots from, beside its name, size and initiators; and the rules for it. Pure.
#pragma once

#include "core/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rootstock::images {

/// A name and a secret of CHAP. Never logged, never listed.
struct ChapIdentity {
    std::string user; // empty: no CHAP
    std::string secret;
    [[nodiscard]] bool empty() const { return user.empty(); }
    bool operator==(const ChapIdentity&) const = default;
};

inline constexpr std::size_t chap_secret_min = 12;  // RFC 7143 section 9.2.1: at least 96 bits where IPsec does not protect the connection
inline constexpr std::size_t chap_secret_max = 255;
inline constexpr std::size_t chap_user_max = 255;

enum class VolumeKind : std::uint8_t {
    disk,        // in a file
    memory_only, // "volatile": empty at each start of the server
};

struct VolumeOptions {
    ChapIdentity chap;        // what an initiator proves
    ChapIdentity mutual_chap; // what we prove to an initiator that asks; needs `chap`
    bool read_only = false;
    VolumeKind kind = VolumeKind::disk; // this and the next never change
    std::uint32_t block_size = 512;     // of the logical blocks: 512 (512e) or 4096 (4Kn)
    bool operator==(const VolumeOptions&) const = default;
};

/// What of a volume is to be another; what is absent stays.
struct VolumeChange {
    std::optional<std::vector<std::string>> initiators = {};
    std::optional<ChapIdentity> chap = {};
    std::optional<ChapIdentity> mutual_chap = {};
    std::optional<bool> read_only = {};
};

[[nodiscard]] inline bool is_valid_block_size(std::int64_t bytes) { return bytes == 512 || bytes == 4096; }

/// The rules for both together, each error one sentence without a secret in it.
[[nodiscard]] Result<void> check_chap(const ChapIdentity& chap, const ChapIdentity& mutual_chap);

} // namespace rootstock::images
