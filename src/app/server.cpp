#include "app/server.hpp"

#include "app/backbone.hpp"
#include "app/flattener.hpp"
#include "app/housekeeper.hpp"
#include "app/verifier.hpp"
#include "app/warmer.hpp"
#include "boot/policy.hpp"
#include "core/text.hpp"
#include "core/version.hpp"
#include "dhcp/service.hpp"
#include "http/service.hpp"
#include "iscsi/service.hpp"
#include "isns/service.hpp"
#include "ndp/service.hpp"
#include "net/capabilities.hpp"
#include "net/offload.hpp"
#include "net/runtime.hpp"
#include "tftp/service.hpp"

#include <unistd.h>

namespace rootstock::app {

namespace {

constexpr std::chrono::seconds chores_period{1};
/// A planned stop gives initiators this long to log out.
constexpr std::chrono::seconds logout_max{3};
constexpr std::uint16_t dhcp_port = 67;
constexpr std::uint16_t tftp_port = 69;

/// The network services, in the order of their start; stopped the other way round.
struct Network {
    boot::Policy policy;
    iscsi::Service iscsi;
    tftp::Service tftp;
    std::unique_ptr<dhcp::Service> dhcp; // mode "server" only
    std::unique_ptr<ndp::Service> ndp;
    std::unique_ptr<isns::Service> isns = nullptr; // with an iSNS server only
};

/// What no later message could say better: the modes that are not there, and the capabilities that are missing.
Result<void> check_possible(const Config& config) {
    if (config.dhcp.mode == DhcpMode::proxy) {
        return make_error(std::errc::not_supported, config.file + ": [dhcp] mode \"proxy\" is not available in this version: use \"server\", or \"off\" "
                                                                  "and let the other DHCP server name our loader");
    }
    if (config.dhcp.mode == DhcpMode::off) {
        return {};
    }
    if (config.server.interface.empty()) {
        return make_error(std::errc::invalid_argument, config.file + ": [server] interface is missing: DHCP needs to know where to answer, such as "
                                                                     "interface = \"eth1\"; without DHCP say [dhcp] mode = \"off\"");
    }
    if (auto able = net::require_bind_capability(dhcp_port, "DHCP and TFTP"); !able) {
        return able;
    }
    return net::require_raw_capability("DHCP replies to PCs that have no address yet");
}

} // namespace

struct Server::Parts {
    Parts(std::unique_ptr<Backbone> given, Placement where) : backbone(std::move(given)), placement(std::move(where)) {}
    ~Parts() { stop(); }

    void make_network(const std::optional<dhcp::DhcpConfig>& dhcp, iscsi::ServiceConfig iscsi);
    Result<void> open_ports();
    Result<void> start_loading();
    Result<void> start_serving();
    Result<void> compare_with_file(bool apply);
    void do_chores();
    void stop();

    std::unique_ptr<NullLog> quiet; // offline: nobody reads a log
    std::unique_ptr<SystemClock> own_clock;
    std::unique_ptr<Backbone> backbone;
    Placement placement;
    std::string socket_path;
    net::Runtime runtime;
    net::Offload offload;
    std::unique_ptr<http::Service> http;
    std::unique_ptr<Network> network;
    std::unique_ptr<Housekeeper> housekeeper;
    std::unique_ptr<Verifier> verifier;
    std::unique_ptr<Flattener> flattener;
    std::unique_ptr<Warmer> warmer;
    bool stopped = false;
};

void Server::Parts::make_network(const std::optional<dhcp::DhcpConfig>& dhcp, iscsi::ServiceConfig iscsi) {
    Backbone& b = *backbone;
    Log& log = b.log();
    const isns::Identity identity = isns_identity(b.config(), placement, iscsi);
    network.reset(new Network{{b.settings(), b.registry(), b.loaders(), b.clients(), log},
                              {runtime, offload, log, b.clock(), b.random(), std::move(iscsi), b.disks()},
                              {runtime, log, b.clock(), {*Ipv4::parse(placement.bind_address), tftp_port}, b.loaders()},
                              nullptr,
                              nullptr});
    if (dhcp) {
        network->dhcp = std::make_unique<dhcp::Service>(runtime, offload, log, b.clock(), *dhcp, network->policy, b.leases());
        network->ndp = std::make_unique<ndp::Service>(runtime, log, dhcp->interface);
    }
    if (const auto& server = b.config().isns_server) {
        network->isns = std::make_unique<isns::Service>(runtime, log, b.clock(), *server, identity);
    }
}

/// What may be taken by somebody else, before anything is changed.
Result<void> Server::Parts::open_ports() {
    if (auto opened = http->open(); !opened) {
        return opened;
    }
    if (auto opened = network->iscsi.open(); !opened) {
        return opened;
    }
    return network->dhcp ? network->dhcp->open() : Result<void>();
}

Result<void> Server::Parts::start_loading() {
    const bool dhcp_here = network->dhcp != nullptr;
    if (auto started = network->tftp.start(); !started) {
        if (dhcp_here) {
            return started;
        }
        backbone->log().warning("tftp.off", {{"reason", started.error().what}}); // another DHCP server may name another TFTP server
    }
    return dhcp_here ? network->ndp->start() : Result<void>();
}

/// The other way round than a boot goes: who is let in finds everything behind it working.
Result<void> Server::Parts::start_serving() {
    if (auto started = network->iscsi.start(); !started) {
        return started;
    }
    if (auto started = http->start(); !started) {
        return started;
    }
    if (network->isns) {
        network->isns->start();
    }
    return network->dhcp ? network->dhcp->start() : Result<void>();
}

void Server::Parts::do_chores() {
    backbone->do_chores();
    if (network->isns) {
        network->isns->publish(backbone->target_names());
    }
}

/// `apply` false: only whether it could be done.
Result<void> Server::Parts::compare_with_file(bool apply) {
    const auto plan = backbone->plan(false, apply);
    if (!plan) {
        return plan.error().problems.empty() ? plan.error().error : make_error(std::errc::invalid_argument, join(plan.error().problems, "\n"));
    }
    if (apply) {
        for (const api::PlanChange& change : plan->changes) {
            backbone->log().info("config.applied", {{"change", change.text}});
        }
        for (const std::string& note : plan->notes) {
            backbone->log().info("config.note", {{"note", note}});
        }
    }
    return {};
}

/// New PCs first stay out, then sessions get a word of good-bye, then disks are closed and the threads end.
void Server::Parts::stop() {
    if (std::exchange(stopped, true)) {
        return;
    }
    flattener.reset();
    warmer.reset();
    verifier.reset();
    housekeeper.reset();
    if (network) {
        if (network->isns) {
            network->isns->stop();
        }
        if (network->dhcp) {
            network->dhcp->stop();
            network->ndp->stop();
        }
        network->tftp.stop();
        network->iscsi.stop(logout_max);
    }
    if (http) {
        http->stop();
    }
    backbone->close_disks();
    offload.stop();
    network.reset(); // services are taken apart on threads that still run
    http.reset();
    runtime.stop();
    if (!socket_path.empty()) {
        ::unlink(socket_path.c_str());
    }
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::open(Config config, Log& log, const Clock& clock) {
    if (const auto possible = check_possible(config); !possible) {
        return possible.error();
    }
    const auto interfaces = net::list_interfaces();
    if (!interfaces) {
        return interfaces.error();
    }
    const auto placement = place(config.server, *interfaces);
    if (!placement) {
        return placement.error();
    }
    std::optional<dhcp::DhcpConfig> dhcp;
    if (config.dhcp.mode == DhcpMode::server) {
        auto derived = dhcp_config(config, *placement);
        if (!derived) {
            return derived.error();
        }
        dhcp = std::move(*derived);
    }
    auto iscsi = iscsi_config(config, *placement);
    if (!iscsi) {
        return iscsi.error();
    }
    auto addresses = http_addresses(config, *placement);
    if (!addresses) {
        return addresses.error();
    }
    const std::string socket = config.server.data + "/" + socket_name;
    http::Config http_config{std::move(*addresses), config.http_port, socket};
    auto backbone = Backbone::open(std::move(config), *placement, log, clock);
    if (!backbone) {
        return backbone.error();
    }
    auto parts = std::make_unique<Parts>(std::move(*backbone), *placement);
    parts->socket_path = socket;
    Backbone& b = *parts->backbone;
    parts->http = std::make_unique<http::Service>(parts->runtime, parts->offload, b.log(), b.clock(), std::move(http_config), b.make_router());
    parts->make_network(dhcp, std::move(*iscsi));
    return std::unique_ptr<Server>(new Server(std::move(parts)));
}

Result<std::unique_ptr<Server>> Server::open_offline(Config config) {
    auto quiet = std::make_unique<NullLog>();
    auto clock = std::make_unique<SystemClock>();
    const std::string socket = config.server.data + "/." + std::to_string(::getpid()) + ".sock";
    auto backbone = Backbone::open(std::move(config), {"127.0.0.1", *Ipv4::parse("127.0.0.1"), {}}, *quiet, *clock);
    if (!backbone) {
        return backbone.error();
    }
    auto parts = std::make_unique<Parts>(std::move(*backbone), Placement{});
    parts->quiet = std::move(quiet);
    parts->own_clock = std::move(clock);
    parts->socket_path = socket;
    Backbone& b = *parts->backbone;
    parts->http = std::make_unique<http::Service>(parts->runtime, parts->offload, b.log(), b.clock(), http::Config{{}, 0, socket}, b.make_router());
    if (const auto started = parts->http->start(); !started) {
        return started.error();
    }
    return std::unique_ptr<Server>(new Server(std::move(parts)));
}

Result<void> Server::start() {
    if (auto possible = parts_->compare_with_file(false); !possible) {
        return possible;
    }
    if (auto opened = parts_->open_ports(); !opened) {
        return opened;
    }
    if (auto started = parts_->start_loading(); !started) { // knows no machines, so it may come before the file is applied
        return started;
    }
    if (auto applied = parts_->compare_with_file(true); !applied) {
        return applied;
    }
    if (auto started = parts_->start_serving(); !started) {
        return started;
    }
    parts_->housekeeper = std::make_unique<Housekeeper>(chores_period, [parts = parts_.get()] { parts->do_chores(); });
    parts_->warmer = std::make_unique<Warmer>(parts_->backbone->store(), parts_->backbone->log());
    if (const auto period = parts_->backbone->config().server.verify; period != std::chrono::seconds(0)) {
        parts_->verifier = std::make_unique<Verifier>(parts_->backbone->store(), period, parts_->backbone->log(), parts_->backbone->clock());
    }
    parts_->flattener = std::make_unique<Flattener>(parts_->backbone->store(), parts_->backbone->log(), parts_->backbone->clock());
    parts_->backbone->log().info("server.started", {{"version", version()}, {"page", url()}, {"data", parts_->backbone->config().server.data}});
    return {};
}

void Server::reload() {
    if (const auto planned = parts_->backbone->plan(true, true); !planned) {
        const auto& failure = planned.error();
        parts_->backbone->log().error("config.refused", {{"reason", failure.problems.empty() ? failure.error.what : join(failure.problems, "; ")}});
    } else {
        parts_->backbone->log().info("config.reloaded", {{"changes", planned->changes.size()}});
    }
}

void Server::stop() {
    parts_->backbone->log().info("server.stopping");
    parts_->stop();
}

const std::string& Server::socket_path() const { return parts_->socket_path; }

std::string Server::url() const { return parts_->backbone->settings().base_url() + "/"; }

} // namespace rootstock::app
