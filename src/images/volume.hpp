// What may be said of a volume, a plain disk that no machine boots from, beside its name, size and initiators; and the rules for it. Pure.
#pragma once

#include "core/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
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
    cdrom,       // a CD-ROM: an ISO image of the host, opened where it lies
};

inline constexpr std::uint32_t cdrom_block_size = 2048;

struct VolumeOptions {
    ChapIdentity chap;        // what an initiator proves
    ChapIdentity mutual_chap; // what we prove to an initiator that asks; needs `chap`
    bool read_only = false;
    VolumeKind kind = VolumeKind::disk; // this and the next never change
    std::uint32_t block_size = 512;     // of the logical blocks: 512 (512e) or 4096 (4Kn); of a CD-ROM always 2048
    std::string iso = {};               // of a CD-ROM: the file, by its absolute path
    std::string moved_to = {};          // "10.20.0.2:3260": where it is reached for a while (RFC 7143 section 11.13.5); empty: here
    bool operator==(const VolumeOptions&) const = default;
};

/// What of a volume is to be another; what is absent stays.
struct VolumeChange {
    std::optional<std::vector<std::string>> initiators = {};
    std::optional<ChapIdentity> chap = {};
    std::optional<ChapIdentity> mutual_chap = {};
    std::optional<bool> read_only = {};
    std::optional<std::string> iso = {}; // another image in the drive, or the same one as it is now
    std::optional<std::string> moved_to = {};
};

/// A CD-ROM with `path` in it.
[[nodiscard]] inline VolumeOptions cdrom_options(std::string path) {
    VolumeOptions options;
    options.read_only = true;
    options.kind = VolumeKind::cdrom;
    options.block_size = cdrom_block_size;
    options.iso = std::move(path);
    return options;
}

/// "disk", "volatile", "cdrom": in the database, the API and the command line.
[[nodiscard]] std::string_view kind_name(VolumeKind kind);
[[nodiscard]] std::optional<VolumeKind> parse_volume_kind(std::string_view name);

[[nodiscard]] inline bool is_valid_block_size(std::int64_t bytes) { return bytes == 512 || bytes == 4096; }

/// "10.20.0.2:3260" for "10.20.0.2", "[fd00::2]:3260" for "[fd00::2]": the address of another portal in full; 3260 is the default. Nothing: it is none.
[[nodiscard]] std::optional<std::string> full_portal(std::string_view text);

/// The rules for both together, each error one sentence without a secret in it.
[[nodiscard]] Result<void> check_chap(const ChapIdentity& chap, const ChapIdentity& mutual_chap);

} // namespace rootstock::images
