#include "net/tcp_acceptor.hpp"

#include "net/capabilities.hpp"
#include "net/limits.hpp"
#include "net/port_owner.hpp"

#include <boost/asio/ip/v6_only.hpp>

namespace rootstock::net {

namespace {

Error listen_error(const boost::system::error_code& error,
                   const std::string& purpose,
                   const std::string& address,
                   std::uint16_t port) {
    const std::string where = address + ":" + std::to_string(port);
    if (error == asio::error::address_in_use) {
        return port_taken_error(Transport::tcp, where, port, purpose);
    }
    return {error, purpose + " cannot listen on " + where + ": " + error.message()};
}

} // namespace

TcpAcceptor::TcpAcceptor(Runtime& runtime, Log& log, OnConnection on_connection)
    : runtime_(runtime), log_(log), on_connection_(std::move(on_connection)), tasks_(runtime.control(), log) {}

TcpAcceptor::~TcpAcceptor() { stop(); }

Result<void> TcpAcceptor::listen(const std::string& address, std::uint16_t port, const std::string& purpose) {
    if (auto allowed = require_bind_capability(port, purpose); !allowed) {
        return allowed.error();
    }
    boost::system::error_code error;
    const auto ip = asio::ip::make_address(address, error);
    if (error) {
        return make_error(std::errc::invalid_argument, purpose + ": \"" + address + "\" is no IP address");
    }
    auto acceptor = std::make_shared<Acceptor>(runtime_.control().context());
    const Tcp::endpoint endpoint(ip, port);
    acceptor->open(endpoint.protocol(), error);
    if (!error) {
        acceptor->set_option(asio::socket_base::reuse_address(true), error);
    }
    if (!error && ip.is_v6()) { // "::" is every IPv6 address and no IPv4 address, whatever the host's default: "0.0.0.0" may stand beside it
        acceptor->set_option(asio::ip::v6_only(true), error);
    }
    if (!error) {
        acceptor->bind(endpoint, error);
    }
    if (!error) {
        acceptor->listen(listen_backlog, error);
    }
    if (error) {
        return listen_error(error, purpose, address, port);
    }
    if (port_ == 0) {
        port_ = acceptor->local_endpoint(error).port();
    }
    listening_.push_back(std::move(acceptor));
    return {};
}

void TcpAcceptor::accept() {
    runtime_.control().call([this] {
        for (std::shared_ptr<Acceptor>& acceptor : std::exchange(listening_, {})) {
            tasks_.spawn(accept_loop(std::move(acceptor)));
        }
    });
}

void TcpAcceptor::stop() {
    if (std::exchange(stopped_, true)) {
        return;
    }
    tasks_.stop();
    // A socket may still be on its way: when this empty call has run, so have all that were posted before it.
    for (std::size_t i = 0; i < runtime_.shard_count(); ++i) {
        runtime_.shard(i).call([] {});
    }
}

Awaitable<> TcpAcceptor::accept_loop(std::shared_ptr<Acceptor> acceptor) {
    while (true) {
        auto [error, socket] = co_await acceptor->async_accept(as_tuple_awaitable);
        if (!error) {
            hand_over(std::move(socket));
        } else if (error == asio::error::operation_aborted) {
            co_return;
        } else if (error != asio::error::connection_aborted) {
            // Mostly "too many open files". Without a rest the loop would spin: the connection stays in the backlog.
            log_.warning("net.accept.failed", {{"port", port_}, {"reason", error.message()}});
            Timer pause(runtime_.control().context(), accept_pause);
            co_await pause.async_wait(as_tuple_awaitable);
        }
    }
}

void TcpAcceptor::hand_over(TcpSocket socket) {
    boost::system::error_code error;
    const auto protocol = socket.local_endpoint(error).protocol();
    if (error) {
        return; // reset by the peer before we came to it
    }
    const auto native = socket.release(error);
    if (error) {
        return;
    }
    Shard& shard = runtime_.least_loaded();
    TcpSocket moved(shard.context());
    moved.assign(protocol, native, error);
    RS_ASSERT(!error);
    asio::post(shard.context(),
               [this, &shard, there = std::move(moved), load = ShardLoad(shard)]() mutable {
                   on_connection_(shard, std::move(there), std::move(load));
               });
}

} // namespace rootstock::net
