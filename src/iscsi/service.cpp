#include "iscsi/service.hpp"

#include "iscsi/service_driver.hpp"
#include "net/tcp_acceptor.hpp"

#include <condition_variable>
#include <netinet/tcp.h>
#include <unordered_map>

namespace rootstock::iscsi {

namespace {

bool is_v6(const std::string& address) { return address.find(':') != std::string::npos; }

std::string with_port(const std::string& address, std::uint16_t port) {
    return (is_v6(address) ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

bool is_wildcard(const ServiceConfig::Portal& portal) { return portal.address == "0.0.0.0" || portal.address == "::"; }

void set_option(int socket, int level, int option, int value) {
    ::setsockopt(socket, level, option, &value, sizeof value); // a refusal costs speed or patience, nothing else
}

/// TCP finds peers that went away without a word: a PC that lost its power, or whose next operating system knows nothing of the connection.
void prepare_socket(net::TcpSocket& socket, const Limits& limits) {
    constexpr int keepalive_probes = 6;
    const auto idle = static_cast<int>(limits.idle_before_ping.count());
    const auto answer = static_cast<int>(limits.ping_answer_time.count());
    const int native = socket.native_handle();
    set_option(native, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(native, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(native, IPPROTO_TCP, TCP_KEEPIDLE, std::max(1, idle));
    set_option(native, IPPROTO_TCP, TCP_KEEPINTVL, std::max(1, answer / keepalive_probes));
    set_option(native, IPPROTO_TCP, TCP_KEEPCNT, keepalive_probes);
    set_option(native, IPPROTO_TCP, TCP_USER_TIMEOUT, (idle + answer) * 1000);
}

} // namespace

class Service::Core {
  public:
    Core(net::Runtime& runtime, net::Offload& offload, Log& log, const Clock& clock, Random& random, ServiceConfig config,
         TargetProvider& provider)
        : config_(std::move(config)), shards_(runtime.shard_count()),
          context_{offload, log, clock, random, config_, provider, {}, {}, {}, {}, {}},
          acceptor_(runtime, log, [this](net::Shard& shard, net::TcpSocket socket, net::ShardLoad load) {
              accept(shard, std::move(socket), std::move(load));
          }) {
        context_.on_login = [this](Driver& driver) { logged_in(driver); };
        context_.on_gone = [this](Driver& driver) { gone(driver); };
    }

    Result<void> open() {
        if (std::exchange(open_, true)) {
            return {};
        }
        for (const ServiceConfig::Portal& portal : config_.portals) {
            if (auto listening = acceptor_.listen(portal.address, portal.port, "iSCSI"); !listening) {
                return listening;
            }
        }
        return {};
    }

    Result<void> start() {
        if (auto opened = open(); !opened) {
            return opened;
        }
        acceptor_.accept();
        return {};
    }

    void stop(std::chrono::milliseconds deadline) {
        acceptor_.stop();
        std::unique_lock lock(mutex_);
        for (const auto& [key, driver] : drivers_) {
            driver->end_function()(EndReason::shutdown);
        }
        if (!all_gone_.wait_for(lock, deadline, [this] { return drivers_.empty(); })) {
            for (const auto& [key, driver] : drivers_) {
                driver->abandon();
            }
            all_gone_.wait(lock, [this] { return drivers_.empty(); });
        }
    }

    [[nodiscard]] std::uint16_t port() const { return acceptor_.port(); }
    [[nodiscard]] SessionRegistry& registry() { return context_.registry; }

    [[nodiscard]] ServiceCounters counters() const {
        ServiceCounters sum;
        const auto add = [](std::uint64_t& to, const std::atomic<std::uint64_t>& from) { to += from.load(std::memory_order_relaxed); };
        for (const ShardState& shard : shards_) {
            add(sum.receives, shard.receives);
            add(sum.sends, shard.sends);
            add(sum.waits, shard.waits);
            add(sum.jobs, shard.jobs);
            add(sum.received_bytes, shard.received_bytes);
            add(sum.sent_bytes, shard.sent_bytes);
        }
        return sum;
    }

  private:
    void accept(net::Shard& shard, net::TcpSocket socket, net::ShardLoad load);
    [[nodiscard]] std::string_view refusal(const std::string& address) const;
    [[nodiscard]] const ServiceConfig::Portal& portal_at(const std::string& address, std::uint16_t port) const;
    [[nodiscard]] std::vector<std::string> portals_beside(const std::string& arrived) const;
    void logged_in(Driver& driver);
    void gone(Driver& driver);

    const ServiceConfig config_;
    bool open_ = false;
    std::vector<ShardState> shards_;
    DriverContext context_;
    net::TcpAcceptor acceptor_;

    mutable std::mutex mutex_; // guards what follows
    std::condition_variable all_gone_;
    std::unordered_map<Driver*, std::shared_ptr<Driver>> drivers_;
    std::unordered_map<std::string, std::uint32_t> per_address_;
    std::uint32_t before_login_ = 0;
};

/// Why one more connection from `address` is too many; empty: it is not.
std::string_view Service::Core::refusal(const std::string& address) const {
    if (drivers_.size() >= config_.limits.connections) {
        return "too many connections";
    }
    if (before_login_ >= config_.limits.connections_before_login) {
        return "too many connections that have not logged in";
    }
    const auto known = per_address_.find(address);
    if (known != per_address_.end() && known->second >= config_.limits.connections_per_address) {
        return "too many connections from this address";
    }
    return {};
}

/// Which portal a connection has reached: the one with that address, else the one that listens on all of its family.
const ServiceConfig::Portal& Service::Core::portal_at(const std::string& address, std::uint16_t port) const {
    const ServiceConfig::Portal* found = &config_.portals.front();
    for (const ServiceConfig::Portal& portal : config_.portals) {
        if (portal.port != port && portal.port != 0) {
            continue;
        }
        if (portal.address == address) {
            return portal;
        }
        if (is_wildcard(portal) && is_v6(portal.address) == is_v6(address)) {
            found = &portal;
        }
    }
    return *found;
}

/// SendTargets names the portal that the initiator has reached, and the others that have an address of their own.
std::vector<std::string> Service::Core::portals_beside(const std::string& arrived) const {
    std::vector<std::string> portals{arrived};
    for (const ServiceConfig::Portal& portal : config_.portals) {
        const std::string text = with_port(portal.address, portal.port);
        if (!is_wildcard(portal) && portal.port != 0 && text != arrived) {
            portals.push_back(text + "," + std::to_string(portal.group_tag));
        }
    }
    return portals;
}

void Service::Core::accept(net::Shard& shard, net::TcpSocket socket, net::ShardLoad load) {
    boost::system::error_code error;
    const auto remote = socket.remote_endpoint(error);
    if (error) {
        return; // gone already
    }
    const auto local = socket.local_endpoint(error);
    if (error) {
        return;
    }
    Login::Portal portal;
    portal.remote_address = remote.address().to_string();
    portal.portal_address = with_port(local.address().to_string(), local.port());
    portal.group_tag = portal_at(local.address().to_string(), local.port()).group_tag;
    prepare_socket(socket, config_.limits);
    const std::vector<std::string> portals = portals_beside(portal.portal_address);
    std::shared_ptr<Driver> driver;
    {
        const std::lock_guard lock(mutex_);
        if (const std::string_view reason = refusal(portal.remote_address); !reason.empty()) {
            context_.log.warning("iscsi.connection.refused", {{"address", portal.remote_address}, {"reason", reason}});
            return;
        }
        driver = std::make_shared<Driver>(context_, shard, shards_[shard.index()], std::move(socket), std::move(load), portal, portals);
        drivers_.emplace(driver.get(), driver);
        ++per_address_[portal.remote_address];
        ++before_login_;
    }
    driver->start();
}

void Service::Core::logged_in(Driver& driver) {
    const std::lock_guard lock(mutex_);
    if (std::exchange(driver.counted_before_login, false)) {
        --before_login_;
    }
}

void Service::Core::gone(Driver& driver) {
    const std::lock_guard lock(mutex_);
    if (std::exchange(driver.counted_before_login, false)) {
        --before_login_;
    }
    if (const auto address = per_address_.find(driver.remote_address()); --address->second == 0) {
        per_address_.erase(address);
    }
    drivers_.erase(&driver); // the caller holds a reference
    if (drivers_.empty()) {
        all_gone_.notify_all();
    }
}

Service::Service(net::Runtime& runtime, net::Offload& offload, Log& log, const Clock& clock, Random& random, ServiceConfig config,
                 TargetProvider& provider)
    : core_(std::make_shared<Core>(runtime, offload, log, clock, random, std::move(config), provider)) {}

Service::~Service() { stop(std::chrono::milliseconds(0)); }

Result<void> Service::open() { return core_->open(); }
Result<void> Service::start() { return core_->start(); }
void Service::stop(std::chrono::milliseconds deadline) { core_->stop(deadline); }
std::uint16_t Service::port() const { return core_->port(); }

std::vector<SessionInfo> Service::sessions() const {
    std::vector<SessionInfo> all = core_->registry().list();
    std::erase_if(all, [](const SessionInfo& session) { return session.target.empty(); }); // discovery
    return all;
}

bool Service::end_session(std::uint64_t id) { return core_->registry().end(id, EndReason::fenced); }
ServiceCounters Service::counters() const { return core_->counters(); }

} // namespace rootstock::iscsi
