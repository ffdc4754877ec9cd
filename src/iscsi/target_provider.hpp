// TargetProvider: who may log in to what, and what is behind it. The target asks, boot/ and the server answer.
// Threads: authorize(), chap_secret() and discover() are called on shards and must not block; open() may block and is called off the shard.
#pragma once

#include "core/ipv4.hpp"
#include "core/result.hpp"
#include "scsi/logical_unit.hpp"

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace rootstock::iscsi {

/// RFC 7143 section 11.13.5: Status-Class and Status-Detail.
enum class LoginStatus : std::uint16_t {
    success = 0x0000,
    moved_temporarily = 0x0101,
    moved_permanently = 0x0102,
    initiator_error = 0x0200,
    authentication_failure = 0x0201,
    authorization_failure = 0x0202,
    not_found = 0x0203,
    target_removed = 0x0204,
    unsupported_version = 0x0205,
    too_many_connections = 0x0206,
    missing_parameter = 0x0207,
    cannot_include_in_session = 0x0208,
    session_type_not_supported = 0x0209,
    session_does_not_exist = 0x020a,
    invalid_during_login = 0x020b,
    target_error = 0x0300,
    service_unavailable = 0x0301,
    out_of_resources = 0x0302,
};

using Isid = std::array<std::uint8_t, 6>;

struct LoginRequest {
    std::string initiator_name;
    std::string target_name;        // empty in a discovery session
    Isid isid{};
    std::string remote_address;     // "10.20.0.107", for events and address bindings
    std::string portal_address;     // "10.20.0.1:3260": where it came in
};

/// What the initiator must prove before it gets further, or where it must go instead.
struct Authentication {
    bool chap_required = false;
    /// Set: we answer the initiator's challenge with this (mutual CHAP).
    std::string mutual_user;
    std::string mutual_secret;
    /// Set ("10.20.0.2:3260"): the target is reached there; this login is redirected (RFC 7143 section 11.13.5, status 0x0101).
    std::string moved_to;
};

/// Why a session was ended from outside; decides the async message or silence.
enum class EndReason : std::uint8_t { fenced, replaced_by_newer, target_removed, shutdown };

/// What a session holds while it lives; the provider's side of it. Destroyed (on any thread) when the session is over.
/// first_read / first_write are each called at most once, on the shard.
class SessionLease {
  public:
    virtual ~SessionLease() = default;
    /// Once, in full feature phase. `end` may be called from any thread, even when the session is over.
    virtual void started(std::function<void(EndReason)> end) = 0;
    virtual void first_read() = 0;
    virtual void first_write() = 0;
};

struct Unit {
    std::uint64_t lun = 0;
    std::shared_ptr<scsi::LogicalUnit> unit;
};

struct Target {
    std::vector<Unit> units; // by lun
    std::unique_ptr<SessionLease> lease;
};

struct DiscoveredTarget {
    std::string name;
};

class TargetProvider {
  public:
    virtual ~TargetProvider() = default;

    /// First word on a login, when both names are known. A status other than success refuses it at once.
    [[nodiscard]] virtual Result<Authentication, LoginStatus> authorize(const LoginRequest& request) = 0;

    /// The CHAP secret that belongs to `user` (CHAP_N) for this login; nothing: unknown user, the login fails with 0x0201.
    [[nodiscard]] virtual std::optional<std::string> chap_secret(const LoginRequest& request, std::string_view user) = 0;

    /// The login succeeded: open the disk(s). `chap_user` is empty without CHAP.
    [[nodiscard]] virtual Result<Target, LoginStatus> open(const LoginRequest& request, std::string_view chap_user) = 0;

    /// SendTargets: the targets that this initiator may log in to.
    [[nodiscard]] virtual std::vector<DiscoveredTarget> discover(const LoginRequest& request) = 0;
};

} // namespace rootstock::iscsi
