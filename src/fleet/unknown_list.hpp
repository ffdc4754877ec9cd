// UnknownList: MACs that asked to boot and belong to no machine. Bounded: a new one pushes out the one that was silent longest.
// No thread, no clock: the Registry owns and guards it.
#pragma once

#include "fleet/machine.hpp"

#include <map>
#include <set>

namespace rootstock::fleet {

class UnknownList {
  public:
    void restore(std::vector<UnknownMachine> machines);

    /// Adds what `facts` says to what is known of its MAC; empty fields take nothing away. True when a person would see a difference.
    bool merge(const UnknownMachine& facts, WallTime now);
    /// False: not in the list, or nothing new.
    bool set_waiting(Mac mac, bool waiting, WallTime now);
    bool erase(Mac mac);

    /// By MAC.
    [[nodiscard]] std::vector<UnknownMachine> all() const;

    /// Those that changed since the last call; the moment of the last sign of life counts, too.
    [[nodiscard]] std::vector<UnknownMachine> take_changed();
    void mark_changed(const std::vector<UnknownMachine>& machines);

  private:
    void make_room();

    std::map<Mac, UnknownMachine> machines_;
    std::set<Mac> changed_; // all of machines_
};

} // namespace rootstock::fleet
