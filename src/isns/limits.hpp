// Every bound of the registration with an iSNS server, and its times.
#pragma once

#include <chrono>
#include <cstddef>

namespace rootstock::isns {

/// One request holds as many targets as fit into this; the length of a PDU is a 16-bit number (RFC 4171 section 5.1.3).
inline constexpr std::size_t request_bytes_max = 32 * 1024;
/// A response repeats what was registered, so it is about as long as its request.
inline constexpr std::size_t response_bytes_max = 256 * 1024;
inline constexpr std::size_t entity_bytes_max = 255; // section 6.2.1, without its NUL

/// From the connection, and from each request, to the answer.
inline constexpr std::chrono::seconds answer_time{10};
/// What we ask for: a server forgets us this long after it has heard of us (section 6.2.6). It may grant another one.
inline constexpr std::chrono::seconds period_wanted{300};
inline constexpr std::chrono::seconds period_min{15};
/// Between two tries with a server that fails: doubled from the first to the last.
inline constexpr std::chrono::seconds retry_first{5};
inline constexpr std::chrono::seconds retry_last{300};
/// A planned stop waits no longer to be deregistered.
inline constexpr std::chrono::seconds farewell_time{2};

} // namespace rootstock::isns
