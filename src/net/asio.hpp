// The Asio vocabulary of the edges: one concrete executor everywhere, so that no call goes through any_io_executor.
// Only net, */service, http/session and app include this; it is heavy.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_datagram_socket.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>

namespace rootstock::net {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using Udp = asio::ip::udp;

using Executor = asio::io_context::executor_type;

/// What a coroutine of an edge returns.
template <class T = void> using Awaitable = asio::awaitable<T, Executor>;

using TcpSocket = asio::basic_stream_socket<Tcp, Executor>;
using UdpSocket = asio::basic_datagram_socket<Udp, Executor>;
using LocalSocket = asio::basic_stream_socket<asio::local::stream_protocol, Executor>;
using Descriptor = asio::posix::basic_stream_descriptor<Executor>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>,
                                         Executor>;

/// The completion token of every wait: `auto [error, size] = co_await socket.async_read_some(buffer, as_tuple_awaitable);`
inline constexpr asio::as_tuple_t<asio::use_awaitable_t<Executor>> as_tuple_awaitable{
    asio::use_awaitable_t<Executor>{}};

} // namespace rootstock::net
