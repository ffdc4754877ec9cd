// SpaceLedger: what every disk of the store takes, the limits that count for it, and who is to be told when one fills up.
//
//   limits    of the store, of groups of machines, of each machine (its own, or the default)
//   review()  once a second: alarms at 80, 90 and 95 % of each limit and of the file system, each told once when it comes and once when it is over
//             (events images.space.alarm, images.space.eased), and the first write of a run of refused ones (images.space.refused)
//
// Threads: every call is thread-safe. review() is called by one thread at a time.
#pragma once

#include "core/log.hpp"
#include "images/file.hpp"
#include "images/space_account.hpp"

#include <map>
#include <string>
#include <vector>

namespace rootstock::images {

/// 0: no limit.
struct SpaceLimits {
    struct OfMachine {
        std::optional<std::uint64_t> quota; // its own; nothing: the default
        std::string group;                  // empty: none
    };
    std::uint64_t store = 0;
    std::uint64_t machine = 0;                   // the default
    std::map<std::string, std::uint64_t> groups; // every group that there is
    std::map<std::string, OfMachine> machines;
};

struct SpaceUse {
    std::string name; // of the machine or group; empty for the store and its file system
    std::uint64_t used_bytes = 0;
    std::uint64_t limit_bytes = 0;
    unsigned alarm = 0; // percent: 80, 90, 95, or 0
    bool full = false;  // writes were refused, and there is no room yet
};

struct SpaceReport {
    SpaceUse file_system;
    SpaceUse store;
    std::vector<SpaceUse> groups;   // in the order of their names
    std::vector<SpaceUse> machines; // those that have a disk
};

class SpaceLedger {
  public:
    explicit SpaceLedger(Log& log) : log_(log), store_(std::make_shared<SpaceBudget>()) {}

    void set_limits(const SpaceLimits& limits);

    /// Of the disk "machine/NAME" or "volume/NAME"; the same one for as long as it is not forgotten.
    [[nodiscard]] std::shared_ptr<SpaceAccount> account(const std::string& disk);
    /// The disk is gone, and takes nothing any more.
    void forget(const std::string& disk);
    /// All disks that there are, with what snapshots keep of each; also one that is gone but for its snapshots.
    void set_disks(const std::map<std::string, std::uint64_t>& kept);
    /// What no account counts: what versions of images need.
    void set_masters(std::uint64_t bytes);

    void review(const FileSystem::Space& space);
    [[nodiscard]] SpaceReport report() const;
    /// Of one machine; it takes nothing when it has no disk.
    [[nodiscard]] SpaceUse machine(const std::string& name) const;

  private:
    /// What was told of one limit.
    struct Told {
        unsigned alarm = 0;
        bool full = false;
    };
    struct Key {
        SpaceScope scope{};
        std::string name;
        auto operator<=>(const Key&) const = default;
    };
    using Accounts = std::map<std::string, std::shared_ptr<SpaceAccount>>;

    [[nodiscard]] std::shared_ptr<SpaceAccount> account_locked(const std::string& disk);
    void limit(const std::string& disk, SpaceAccount& account);
    [[nodiscard]] std::string group_of(const std::string& disk) const;
    void note_refusals();
    void review_one(const Key& key, std::uint64_t used, std::uint64_t limit);
    [[nodiscard]] SpaceUse use(const Key& key, std::uint64_t used, std::uint64_t limit) const;

    Log& log_;
    const std::shared_ptr<SpaceBudget> store_;
    mutable std::mutex mutex_; // guards all below
    SpaceLimits limits_;
    std::map<std::string, std::shared_ptr<SpaceBudget>> groups_;
    Accounts accounts_;
    std::uint64_t masters_ = 0;
    FileSystem::Space space_;
    std::map<Key, Told> told_;
    std::map<Key, std::string> refused_; // since the last review: who was
};

} // namespace rootstock::images
