// TcpAcceptor: listens on one address and port and hands each connection to the least loaded shard.
#pragma once

#include "core/log.hpp"
#include "core/result.hpp"
#include "net/asio.hpp"
#include "net/runtime.hpp"
#include "net/task_group.hpp"

#include <functional>

namespace rootstock::net {

class TcpAcceptor {
  public:
    /// Called on the thread of `shard` with a socket of that shard's context. `load` lives as long as the connection.
    using OnConnection = std::function<void(Shard& shard, TcpSocket socket, ShardLoad load)>;

    TcpAcceptor(Runtime& runtime, Log& log, OnConnection on_connection);
    ~TcpAcceptor();

    /// Takes the port; peers that connect wait until accept(). `address`: "0.0.0.0" (all of IPv4), "10.20.0.1", "::" (all of IPv6); `port` 0: any (tests);
    /// `purpose` names the service in the error, which also says who holds the port. Several calls listen on several addresses.
    [[nodiscard]] Result<void> listen(const std::string& address, std::uint16_t port, const std::string& purpose);

    /// Begins to hand over connections, of every listen() before. Once.
    void accept();

    /// Of the first listen(): the port that the kernel chose.
    [[nodiscard]] std::uint16_t port() const { return port_; }

    /// No OnConnection call begins or runs after this. From outside of the runtime; twice is harmless.
    void stop();

  private:
    using Acceptor = asio::basic_socket_acceptor<Tcp, Executor>;
    Awaitable<> accept_loop(std::shared_ptr<Acceptor> acceptor);
    void hand_over(TcpSocket socket);

    Runtime& runtime_;
    Log& log_;
    OnConnection on_connection_;
    std::uint16_t port_ = 0;
    bool stopped_ = false;
    std::vector<std::shared_ptr<Acceptor>> listening_; // until accept()
    TaskGroup tasks_; // on the control shard
};

} // namespace rootstock::net
