// FlattenChoice: which chain the server shortens next by itself, if any (docs/images.md, "Short chains by themselves"). Pure.
//
//   merges         are worth it when little is written for what comes back, or when the chain is too long
//   whole chains   are rewritten when they are too long
//   room           no limit may come near to what people are alarmed of; a merge that gives space back may go closer
//   failures       are left alone for longer and longer, and told once
#pragma once

#include "core/clock.hpp"
#include "images/layer_tree.hpp"

#include <map>
#include <span>

namespace rootstock::images {

/// A file system or a quota.
struct FlattenRoom {
    std::uint64_t used_bytes = 0;
    std::uint64_t limit_bytes = 0; // 0: none
};

/// One thing that can be done.
struct FlattenWork {
    LayerTree::Shorter what;
    std::size_t files = 0;          // of the longest chain through it
    std::uint64_t needed_bytes = 0; // by the new file
    std::uint64_t freed_bytes = 0;  // by the old ones that go then

    [[nodiscard]] std::uint64_t gain_bytes() const { return freed_bytes > needed_bytes ? freed_bytes - needed_bytes : 0; }
    bool operator==(const FlattenWork&) const = default;
};

/// At most this much is written for each byte that comes back, where the chain is short enough.
inline constexpr std::uint64_t flatten_cost_max = 8;

/// What failed, and until when it is left alone: a minute, then twice as long each time, six hours at most. One owner.
class FlattenPauses {
  public:
    /// True: this is news, and is to be told.
    bool failed(const std::string& layer, TimePoint now);
    void done(const std::string& layer) { pauses_.erase(layer); }
    [[nodiscard]] bool pausing(const std::string& layer, TimePoint now) const;

  private:
    struct Pause {
        std::chrono::minutes length{};
        TimePoint until;
    };
    std::map<std::string, Pause> pauses_; // by layer
};

struct FlattenChoice {
    std::optional<FlattenWork> next;
    std::optional<FlattenWork> no_room; // would have been done before, had there been room
};

/// The first of `works` that is worth it and fits. What pauses is not among them.
[[nodiscard]] FlattenChoice choose_flatten(std::span<const FlattenWork> works, std::span<const FlattenRoom> rooms);

} // namespace rootstock::images
