// One HTTP connection, over TCP or a UNIX socket: reads requests, has them answered, writes the
// answers, within the times of limits.hpp.
#pragma once

#include "core/clock.hpp"
#include "core/log.hpp"
#include "http/router.hpp"
#include "net/asio.hpp"
#include "net/offload.hpp"

namespace rootstock::http {

/// What all connections share; outlives them.
struct SessionContext {
    const Router& router;
    net::Offload& offload;
    Log& log;
    const Clock& clock;
};

/// Ends when the peer closes, errs or is too slow. `home`: the context of `socket`. Cancelled by
/// its task group.
net::Awaitable<> serve_connection(const SessionContext& context,
                                  net::asio::io_context& home,
                                  net::TcpSocket socket,
                                  std::string remote_address);
net::Awaitable<>
serve_local(const SessionContext& context, net::asio::io_context& home, net::LocalSocket socket);

} // namespace rootstock::http
