#include "http/service.hpp"

#include "http/limits.hpp"
#include "http/session.hpp"
#include "net/local_address.hpp"
#include "net/task_group.hpp"
#include "net/tcp_acceptor.hpp"

#include <map>
#include <sys/stat.h>
#include <unistd.h>

namespace rootstock::http {

namespace {

namespace asio = net::asio;
using net::Awaitable;
using LocalProtocol = asio::local::stream_protocol;

/// Open connections, in all and by address. Thread-safe.
class Admission {
  public:
    [[nodiscard]] bool enter(const std::string& address) {
        std::lock_guard lock(mutex_);
        if (total_ >= connections_max) {
            return false;
        }
        std::size_t& count = by_address_[address];
        if (count >= connections_per_address_max) {
            return false;
        }
        ++count;
        ++total_;
        return true;
    }
    void leave(const std::string& address) {
        std::lock_guard lock(mutex_);
        --total_;
        if (const auto at = by_address_.find(address); --at->second == 0) {
            by_address_.erase(at);
        }
    }

  private:
    std::mutex mutex_;
    std::size_t total_ = 0;
    std::map<std::string, std::size_t> by_address_;
};

/// Nobody listens there any more: a leftover of a killed server.
bool is_stale(const net::LocalAddress& address) {
    asio::io_context context;
    LocalProtocol::socket probe(context);
    boost::system::error_code error;
    probe.connect(address.endpoint(), error);
    return error == asio::error::connection_refused;
}

} // namespace

class Service::Impl {
  public:
    Impl(net::Runtime& runtime,
         net::Offload& offload,
         Log& log,
         const Clock& clock,
         Config config,
         Router router)
        : runtime_(runtime), log_(log), config_(std::move(config)),
          router_(std::move(router)), context_{router_, offload, log, clock},
          local_tasks_(runtime.control(), log),
          acceptor_(
              runtime, log, [this](net::Shard& shard, net::TcpSocket socket, net::ShardLoad load) {
                  accepted(shard, std::move(socket), std::move(load));
              }) {
        for (std::size_t i = 0; i < runtime.shard_count(); ++i) {
            tasks_.push_back(std::make_unique<net::TaskGroup>(runtime.shard(i), log));
        }
    }
    ~Impl() { stop(); }

    Result<void> open() {
        if (std::exchange(open_, true)) {
            return {};
        }
        for (const std::string& address : config_.addresses) {
            if (auto listening = acceptor_.listen(address, config_.port, "HTTP"); !listening) {
                return listening.error();
            }
        }
        return config_.socket_path.empty() ? Result<void>() : listen_locally();
    }

    Result<void> start() {
        if (auto opened = open(); !opened) {
            return opened;
        }
        acceptor_.accept();
        if (listens_locally_) {
            runtime_.control().call([this] { local_tasks_.spawn(accept_locally()); });
        }
        return {};
    }

    [[nodiscard]] std::uint16_t port() const { return acceptor_.port(); }

    void stop() {
        if (std::exchange(stopped_, true)) {
            return; // the runtime may be gone by now
        }
        acceptor_.stop();
        local_tasks_.stop();
        for (const auto& tasks : tasks_) {
            tasks->stop();
        }
        if (listens_locally_) {
            ::unlink(config_.socket_path.c_str()); // a leftover does no harm: see is_stale()
        }
    }

  private:
    void accepted(net::Shard& shard, net::TcpSocket socket, net::ShardLoad load) {
        boost::system::error_code error;
        const auto peer = socket.remote_endpoint(error);
        if (error) {
            return; // it has gone already
        }
        std::string address = peer.address().to_string();
        if (!admission_.enter(address)) {
            log_.warning("http.connection.refused", {{"address", address}});
            return;
        }
        socket.set_option(asio::ip::tcp::no_delay(true),
                          error); // a failure costs time, nothing else
        tasks_[shard.index()]->spawn(
            serve(shard, std::move(socket), std::move(address), std::move(load)));
    }

    Awaitable<>
    serve(net::Shard& shard, net::TcpSocket socket, std::string address, net::ShardLoad) {
        struct Leave {
            Admission& admission;
            const std::string& address;
            ~Leave() { admission.leave(address); }
        };
        const Leave leave{admission_, address};
        co_await serve_connection(context_, shard.context(), std::move(socket), address);
    }

    Result<void> listen_locally() {
        const std::string& path = config_.socket_path;
        const auto address = net::LocalAddress::of(path);
        if (!address) {
            return address.error();
        }
        if (is_stale(*address)) {
            ::unlink(path.c_str()); // bind() tells when that failed
        }
        boost::system::error_code error;
        local_acceptor_.open(LocalProtocol(), error);
        if (!error && ::fchmod(local_acceptor_.native_handle(), 0600) !=
                          0) { // the file gets the socket's mode when it is bound
            return errno_error("cannot restrict " + path);
        }
        if (!error) {
            local_acceptor_.bind(address->endpoint(), error);
        }
        if (!error) {
            local_acceptor_.listen(net::listen_backlog, error);
        }
        if (error == asio::error::address_in_use) {
            return Error{
                error,
                "another rootstock server is running on this data directory: it listens on " +
                    path};
        }
        if (error) {
            return Error{error, "cannot listen on " + path + ": " + error.message()};
        }
        listens_locally_ = true;
        return {};
    }

    Awaitable<> accept_locally() {
        while (true) {
            auto [error, socket] = co_await local_acceptor_.async_accept(net::as_tuple_awaitable);
            if (error == asio::error::operation_aborted) {
                co_return;
            }
            if (error) {
                log_.warning("http.accept.failed",
                             {{"path", config_.socket_path}, {"reason", error.message()}});
                net::Timer pause(runtime_.control().context(), net::accept_pause);
                co_await pause.async_wait(net::as_tuple_awaitable);
                continue;
            }
            if (local_tasks_.size() <= connections_per_address_max) {
                local_tasks_.spawn(
                    serve_local(context_, runtime_.control().context(), std::move(socket)));
            }
        }
    }

    net::Runtime& runtime_;
    Log& log_;
    const Config config_;
    const Router router_;
    const SessionContext context_;
    Admission admission_;
    std::vector<std::unique_ptr<net::TaskGroup>> tasks_; // by shard
    net::TaskGroup local_tasks_;
    asio::basic_socket_acceptor<LocalProtocol, net::Executor> local_acceptor_{
        runtime_.control().context()};
    bool open_ = false;
    bool listens_locally_ = false;
    bool stopped_ = false;
    net::TcpAcceptor acceptor_; // last: hands over no connection before or after the rest lives
};

Service::Service(net::Runtime& runtime,
                 net::Offload& offload,
                 Log& log,
                 const Clock& clock,
                 Config config,
                 Router router)
    : impl_(std::make_unique<Impl>(
          runtime, offload, log, clock, std::move(config), std::move(router))) {}
Service::~Service() = default;

Result<void> Service::open() {
    return impl_->open();
}
Result<void> Service::start() {
    return impl_->start();
}
std::uint16_t Service::port() const {
    return impl_->port();
}
void Service::stop() {
    impl_->stop();
}

} // namespace rootstock::http
