// Persistent reservations as SPC-4 says they are, in the plainest form: what simulations compare the real ones with. Shares no code with them.
#pragma once

#include <cstdint>
#include <map>

namespace rootstock::test {

/// What SPC-4 section 5.12 says, in the plainest form: keys by initiator, a type, and who holds it.
struct ReservationModel {
    std::map<int, std::uint64_t> keys;
    int type = 0;
    int holder = -1; // not with the all-registrants types

    [[nodiscard]] bool all_hold() const { return type == 7 || type == 8; }
    [[nodiscard]] bool holds(int who) const { return type != 0 && (all_hold() ? keys.contains(who) : holder == who); }
    [[nodiscard]] bool may(int who, bool write) const {
        if (type == 0 || holds(who)) {
            return true;
        }
        const bool registrants = type >= 5 && keys.contains(who);
        const bool readable = type == 1 || type == 5 || type == 7;
        return registrants || (readable && !write);
    }
    void drop(int who) {
        keys.erase(who);
        if (holder == who || (all_hold() && keys.empty())) {
            type = 0;
            holder = -1;
        }
    }
    void hold(int who, int new_type) {
        type = new_type;
        holder = all_hold() ? -1 : who;
    }
};

} // namespace rootstock::test
