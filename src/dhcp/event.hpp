// What the server decided, for the log: the server is pure and logs nothing itself. Listed with meaning and remedy in docs/events.md.
#pragma once

#include "core/ipv4.hpp"
#include "core/log.hpp"
#include "core/mac.hpp"

#include <array>

namespace rootstock::dhcp {

enum class EventKind : std::uint8_t {
    malformed,
    ignored,
    offered,
    granted,
    refused,
    declined,
    released,
    pool_exhausted,
    reservation_busy,
    other_server_chosen,
    other_server_seen,
};

struct Event {
    EventKind kind = EventKind::malformed;
    Mac mac;
    Ipv4 address;
    std::string detail;
};

struct EventRow {
    EventKind kind;
    Level level;
    std::string_view name;
};

inline constexpr std::array<EventRow, 11> event_table{{
    {EventKind::malformed, Level::debug, "dhcp.packet.malformed"},
    {EventKind::ignored, Level::debug, "dhcp.client.ignored"},
    {EventKind::offered, Level::debug, "dhcp.lease.offered"},
    {EventKind::granted, Level::info, "dhcp.lease.granted"},
    {EventKind::refused, Level::warning, "dhcp.request.refused"},
    {EventKind::declined, Level::warning, "dhcp.address.declined"},
    {EventKind::released, Level::info, "dhcp.lease.released"},
    {EventKind::pool_exhausted, Level::error, "dhcp.pool.exhausted"},
    {EventKind::reservation_busy, Level::warning, "dhcp.reservation.busy"},
    {EventKind::other_server_chosen, Level::warning, "dhcp.other_server.chosen"},
    {EventKind::other_server_seen, Level::warning, "dhcp.other_server.seen"},
}};

[[nodiscard]] constexpr const EventRow& event_row(EventKind kind) { return event_table[static_cast<std::size_t>(kind)]; }

} // namespace rootstock::dhcp
