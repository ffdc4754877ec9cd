// FetchService: gets one file by HTTP(S) on the calling thread, as FetchPlan decides. TLS verifies the certificate and the host's name, against the system's
// authorities or a file of them. Every wait has an end: a server that is silent, or brings less than fetch_progress_min in a round of `round`, is given up and
// asked again.
// Threads: blocks; one call has a thread of its own.
#pragma once

#include "core/bytes.hpp"
#include "http/fetch.hpp"

#include <chrono>
#include <functional>

namespace rootstock::http {

/// Where the bytes go.
class FetchSink {
  public:
    virtual ~FetchSink() = default;
    /// The size is known, from now on or anew; nothing of what came before counts.
    virtual Result<void> begin(std::optional<std::uint64_t> size) = 0;
    virtual Result<void> write_at(std::uint64_t offset, Bytes data) = 0;
};

struct FetchOptions {
    std::string ca_file;                    // PEM; empty: the system's
    std::chrono::milliseconds round{60000}; // for a connection with its TLS handshake, for a head, and for fetch_progress_min bytes of a body
    std::chrono::milliseconds pause{1000};  // before the next attempt; doubles with each that brings nothing
};

/// Called several times a second; false: stop.
using FetchProgress = std::function<bool(std::uint64_t done_bytes, std::uint64_t total_bytes)>;

[[nodiscard]] Result<void> fetch(const Url& url, const FetchOptions& options, FetchSink& sink, const FetchProgress& progress);

} // namespace rootstock::http
