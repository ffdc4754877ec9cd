#include "iscsi/session.hpp"

#include "core/text.hpp"

#include <algorithm>

namespace rootstock::iscsi {

SessionUnit* Session::find_unit(const std::array<std::uint8_t, 8>& lun_field) {
    const auto lun = decode_lun(lun_field);
    if (!lun) {
        return nullptr;
    }
    const auto found = std::find_if(units.begin(), units.end(), [&](const SessionUnit& unit) { return unit.lun == *lun; });
    return found == units.end() ? nullptr : &*found;
}

std::string initiator_port_name(const LoginRequest& request) { return request.initiator_name + ",i,0x" + hex(request.isid); }

void attach_units(Session& session, Target target, std::uint16_t portal_group_tag) {
    for (const Unit& unit : target.units) {
        session.luns.push_back(unit.lun);
    }
    const std::string port = initiator_port_name(session.request);
    for (Unit& unit : target.units) {
        auto nexus = unit.unit->attach(port, portal_group_tag, session.luns, true);
        session.units.push_back({unit.lun, std::move(unit.unit), std::move(nexus)});
    }
    session.lease = std::move(target.lease);
}

} // namespace rootstock::iscsi
