// Session: what a login made (RFC 7143 sections 4.4 and 6): parameters, names, units with their nexuses, and the numbers of its one
// connection: the CmdSN window and StatSN. One owner, one shard.
#pragma once

#include "iscsi/bhs.hpp"
#include "iscsi/login_keys.hpp"
#include "iscsi/negotiation.hpp"
#include "iscsi/session_registry.hpp"

namespace rootstock::iscsi {

/// The command window (section 4.2.2.1): back-pressure on how many commands an initiator may have here.
class CommandWindow {
  public:
    enum class Place : std::uint8_t { expected, early, outside };

    void start(std::uint32_t cmd_sn) {
        exp_cmd_sn_ = cmd_sn;
        max_cmd_sn_ = cmd_sn - 1;
    }
    [[nodiscard]] Place place_of(std::uint32_t cmd_sn) const {
        if (cmd_sn == exp_cmd_sn_ && serial_less_equal(cmd_sn, max_cmd_sn_)) {
            return Place::expected;
        }
        return serial_less(exp_cmd_sn_, cmd_sn) && serial_less_equal(cmd_sn, max_cmd_sn_) ? Place::early : Place::outside;
    }
    /// Whether a command with this number may still come, or waits for its turn.
    [[nodiscard]] bool is_awaited(std::uint32_t cmd_sn) const { return place_of(cmd_sn) != Place::outside; }
    void advance() { ++exp_cmd_sn_; }
    /// Room for `free` more commands. Never moves backwards.
    void open_for(std::uint32_t free) {
        if (const std::uint32_t limit = exp_cmd_sn_ + free - 1; serial_less(max_cmd_sn_, limit)) {
            max_cmd_sn_ = limit;
        }
    }
    [[nodiscard]] std::uint32_t exp_cmd_sn() const { return exp_cmd_sn_; }
    [[nodiscard]] std::uint32_t max_cmd_sn() const { return max_cmd_sn_; }

  private:
    std::uint32_t exp_cmd_sn_ = 0;
    std::uint32_t max_cmd_sn_ = 0;
};

struct SessionUnit {
    std::uint64_t lun = 0;
    std::shared_ptr<scsi::LogicalUnit> unit;
    std::shared_ptr<scsi::Nexus> nexus;
};

struct Session {
    SessionType type = SessionType::normal;
    std::uint64_t id = 0;
    std::uint16_t tsih = 0;
    LoginRequest request;
    Parameters parameters;
    std::vector<SessionUnit> units; // by lun
    std::vector<std::uint64_t> luns;
    std::unique_ptr<SessionLease> lease;
    bool has_read = false; // what the lease was told
    bool has_written = false;
    std::shared_ptr<SessionCounters> counters;
    CommandWindow window;
    std::uint32_t stat_sn = 1;

    [[nodiscard]] SessionUnit* find_unit(const std::array<std::uint8_t, 8>& lun_field);

    /// Fills ExpCmdSN and MaxCmdSN; with `takes_stat_sn` StatSN as well, which then counts up.
    template <class Header> void number(Header& header, bool takes_stat_sn) {
        header.exp_cmd_sn = window.exp_cmd_sn();
        header.max_cmd_sn = window.max_cmd_sn();
        if (takes_stat_sn) {
            header.stat_sn = stat_sn++;
        }
    }
};

/// "iqn...,i,0x40002723aec2": the name of an initiator port (section 4.4.1), the key of reservations.
[[nodiscard]] std::string initiator_port_name(const LoginRequest& request);

/// iPXE's ISIDs are of the form with an IANA enterprise number, Fen Systems' (10019): it reads NOP-In but never answers.
[[nodiscard]] constexpr bool is_ipxe(const Isid& isid) {
    return isid[0] == 0x40 && isid[1] == 0x00 && isid[2] == 0x27 && isid[3] == 0x23;
}

/// Enters the target's units and attaches a nexus to each.
void attach_units(Session& session, Target target, std::uint16_t portal_group_tag);

} // namespace rootstock::iscsi
