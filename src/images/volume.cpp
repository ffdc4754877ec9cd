#include "images/volume.hpp"

#include "core/ip_address.hpp"

#include <algorithm>

namespace rootstock::images {
namespace {

Error refused(const std::string& what) { return make_error(std::errc::invalid_argument, what); }

bool is_printable(const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

Result<void> check_identity(const ChapIdentity& identity, const std::string& which) {
    if (identity.user.empty() || identity.user.size() > chap_user_max || !is_printable(identity.user)) {
        return refused(which + " needs a user of 1 to " + std::to_string(chap_user_max) + " characters, for example \"backup\"");
    }
    if (identity.secret.size() < chap_secret_min || identity.secret.size() > chap_secret_max) {
        return refused(which + " needs a secret of " + std::to_string(chap_secret_min) + " to " + std::to_string(chap_secret_max) +
                       " bytes (RFC 7143 section 9.2.1: at least 96 bits); the one given has " + std::to_string(identity.secret.size()));
    }
    return {};
}

} // namespace

std::string_view kind_name(VolumeKind kind) {
    switch (kind) {
    case VolumeKind::disk:
        return "disk";
    case VolumeKind::memory_only:
        return "volatile";
    case VolumeKind::cdrom:
        return "cdrom";
    }
    return {};
}

std::optional<VolumeKind> parse_volume_kind(std::string_view name) {
    for (const auto kind : {VolumeKind::disk, VolumeKind::memory_only, VolumeKind::cdrom}) {
        if (name == kind_name(kind)) {
            return kind;
        }
    }
    return std::nullopt;
}

std::optional<std::string> full_portal(std::string_view text) {
    constexpr std::uint16_t iscsi_port = 3260;
    const auto portal = IpEndpoint::parse(text, iscsi_port);
    return portal ? std::optional(portal->text()) : std::nullopt;
}

Result<void> check_chap(const ChapIdentity& chap, const ChapIdentity& mutual_chap) {
    if (chap.empty() && !mutual_chap.empty()) {
        return refused("mutual CHAP needs CHAP as well: the initiator proves who it is before we do");
    }
    for (const auto& [identity, which] : {std::pair{&chap, "CHAP"}, std::pair{&mutual_chap, "mutual CHAP"}}) {
        if (identity->empty() && identity->secret.empty()) {
            continue;
        }
        if (auto fine = check_identity(*identity, which); !fine) {
            return fine;
        }
    }
    // One secret for both directions would let an attacker have us compute the answer to our own challenge.
    if (!chap.empty() && chap.secret == mutual_chap.secret) {
        return refused("CHAP and mutual CHAP must have different secrets (RFC 7143 section 9.2.1)");
    }
    return {};
}

} // namespace rootstock::images
