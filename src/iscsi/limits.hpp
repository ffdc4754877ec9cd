// Every bound that an initiator could try to exceed, with what happens then. The service's configuration may lower or raise those in Limits.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace rootstock::iscsi::limits {

// Login and text (RFC 7143 section 6.1): more is an initiator error.
inline constexpr std::size_t login_data_segment = 8192;     // section 13.12: the default holds until full feature phase
inline constexpr std::size_t login_text = 32 * 1024;        // of one negotiation step, over C-bit continuations
inline constexpr std::size_t key_name = 63;
inline constexpr std::size_t key_value = 8192;
inline constexpr std::size_t keys_per_request = 128;
inline constexpr unsigned login_requests = 32;              // PDUs until full feature phase
inline constexpr std::size_t iscsi_name = 223;              // section 4.2.7.1
inline constexpr std::size_t chap_name = 255;

// What one connection may hold.
inline constexpr std::size_t receive_buffer_login = 16 * 1024;
inline constexpr std::size_t receive_buffer = 64 * 1024;
inline constexpr std::uint32_t max_recv_data_segment_length = 256 * 1024; // we declare it; a longer segment ends the connection
inline constexpr std::uint32_t max_burst_length = 1024 * 1024;
inline constexpr std::uint32_t first_burst_length = 64 * 1024;
inline constexpr std::uint32_t max_outstanding_r2t = 4;
inline constexpr std::uint32_t command_window = 128;        // MaxCmdSN - ExpCmdSN + 1 at rest; unsolicited data: this times FirstBurstLength
inline constexpr std::uint32_t immediate_tasks = 8;         // beyond the window; one more is rejected
inline constexpr std::uint32_t solicited_bytes = 4 * 1024 * 1024; // R2T not yet answered or not yet written, per session
inline constexpr std::size_t private_read_bytes = 4 * 1024 * 1024; // reads off the shard into buffers of the session's own
inline constexpr std::uint32_t ping_data = 64 * 1024;       // NOP-Out data that is sent back; more is cut (section 11.19.4)
inline constexpr std::size_t pending_management = 16;       // task management functions that wait for their tasks to end

// Output: a connection stops producing at `output_bytes` and starts again below it. A client that does not read costs this and no more.
inline constexpr std::size_t output_bytes = 512 * 1024;
inline constexpr std::size_t gather_bytes = 192 * 1024;     // one sendmsg
inline constexpr std::size_t gather_pieces = 1024;          // IOV_MAX
inline constexpr std::size_t read_burst = 128 * 1024;       // produced at once for one READ before the next one's turn
inline constexpr std::size_t write_burst = 256 * 1024;      // asked for by one R2T
inline constexpr std::size_t answered_bytes = 1024 * 1024;  // queued answers that no PDU of the peer may exceed (pings, rejects)

// Fairness: what one connection may do before the shard turns to the next.
inline constexpr unsigned receives_per_turn = 4;
inline constexpr std::size_t turn_bytes = 192 * 1024;      // sent; the call that passes it is the last

inline constexpr unsigned load_attempts = 4;                // retries of a read after a load, before it is read privately

} // namespace rootstock::iscsi::limits

namespace rootstock::iscsi {

/// The bounds that an installation may change.
struct Limits {
    std::uint32_t connections = 8192;
    std::uint32_t connections_per_address = 2048;
    std::uint32_t connections_before_login = 1024;
    std::chrono::seconds login_time{15};            // from accept to full feature phase, with the end of an older session
    std::chrono::seconds idle_before_ping{15};      // nothing received: NOP-In
    std::chrono::seconds ping_answer_time{30};      // no answer: the session is over
    /// iPXE reads NOP-In but never answers (its ISIDs say who it is). Its kernel-less TCP dies with it, so TCP finds the orphans.
    std::chrono::seconds ping_answer_time_of_ipxe{600};
    std::chrono::seconds logout_time{5};            // after the request to log out, at a planned stop
};

} // namespace rootstock::iscsi
