// Every bound of the API that a client could try to exceed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace rootstock::api {

inline constexpr std::size_t log_events_max = 1000;
inline constexpr std::size_t boots_listed_max = 500;
inline constexpr std::size_t event_streams_max = 64;
inline constexpr std::size_t chain_files = 8; // longer chains are flattened, where a request does not say another length
inline constexpr std::size_t imports_at_once_max = 2;
inline constexpr std::size_t volume_initiators_max = 256;
/// Of the newest versions, when nobody says how many `image prune` keeps.
inline constexpr std::uint32_t versions_kept = 3;

/// Changes are gathered for this long and sent together.
inline constexpr std::chrono::milliseconds event_gather{100};
inline constexpr std::chrono::seconds event_heartbeat{15};
/// Log events that a stream sends at most at once; older ones are left out.
inline constexpr std::size_t log_events_per_send = 100;

/// A waiting PC asks again within this time (boot: wait_hold, chain --timeout); one that does not
/// is switched off.
inline constexpr std::chrono::seconds waiting_sign_of_life{45};

} // namespace rootstock::api
