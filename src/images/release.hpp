// Releases: which machines get which version of an image, and from when on. Values, and the store that keeps them in the database (db/ implements it);
// who gets what is decided in boot/version_policy.hpp.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rootstock::images {

enum class Audience : std::uint8_t { all, machines, percent };
enum class ReleaseState : std::uint8_t {
    active,      // holds from its start on
    rolled_back, // taken back, by itself or by hand; `detail` says why
    ended,       // replaced by another one, or nothing is left to watch
};
[[nodiscard]] std::string_view audience_name(Audience audience);
[[nodiscard]] std::optional<Audience> parse_audience(std::string_view name);
[[nodiscard]] std::string_view state_name(ReleaseState state);
[[nodiscard]] std::optional<ReleaseState> parse_release_state(std::string_view name);

/// When a release is taken back by itself: fewer than `minimum_share` percent of its boots reach "running", once `minimum_boots` of them are decided.
struct Watch {
    bool enabled = true;
    std::uint32_t minimum_boots = 5;
    std::uint32_t minimum_share = 80; // percent
    bool operator==(const Watch&) const = default;
};

struct Release {
    std::int64_t id = 0;         // counts up
    std::string image;
    std::uint32_t version = 0;
    std::uint32_t previous = 0;  // current when it was made: what its machines go back to
    Audience audience = Audience::all;
    std::uint32_t percent = 100; // Audience::percent: of the machines
    std::vector<std::string> machines; // Audience::machines
    WallTime starts;
    Watch watch;
    ReleaseState state = ReleaseState::active;
    std::string detail;
    WallTime created;
    bool operator==(const Release&) const = default;
};

/// Threads: thread-safe. Every call is one transaction and blocks until it is durable.
class ReleaseStore {
  public:
    virtual ~ReleaseStore() = default;

    /// Oldest first, also those that are over (limits.hpp: releases_kept of each image).
    virtual Result<std::vector<Release>> releases() = 0;
    /// A new one; gives it back with its id.
    virtual Result<Release> add_release(const Release& release) = 0;
    /// Its state, with the reason. Rolled back: so are all of its version, and new overlays get `previous` again where they got this one.
    virtual Result<void> end_release(std::int64_t id, ReleaseState state, const std::string& detail) = 0;
    /// A release for all has begun: its version is the one of new overlays, and older releases of the image end.
    virtual Result<void> make_current(const Release& release) = 0;
    /// New overlays get this version; every release of the image ends, rolled back where it was of a newer version.
    virtual Result<void> roll_back_to(const std::string& image, std::uint32_t version, const std::string& detail) = 0;
};

} // namespace rootstock::images
