// What may be said of a volume, a plain disk that no machine boots from, beside its name, size and initiators; and the rules for it. Pure.
#pragma once

#include "core/result.hpp"

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

struct VolumeOptions {
    ChapIdentity chap;        // what an initiator proves
    ChapIdentity mutual_chap; // what we prove to an initiator that asks; needs `chap`
    bool operator==(const VolumeOptions&) const = default;
};

/// What of a volume is to be another; what is absent stays.
struct VolumeChange {
    std::optional<std::vector<std::string>> initiators = {};
    std::optional<ChapIdentity> chap = {};
    std::optional<ChapIdentity> mutual_chap = {};
};

/// The rules for both together, each error one sentence without a secret in it.
[[nodiscard]] Result<void> check_chap(const ChapIdentity& chap, const ChapIdentity& mutual_chap);

} // namespace rootstock::images
