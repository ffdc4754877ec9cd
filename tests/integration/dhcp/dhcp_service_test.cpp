// The DHCP and router advertisement services on a cable of their own, against real clients: busybox udhcpc, ISC dhclient, a router
// solicitation, and 2,000 clients at once.
#include "dhcp/service.hpp"

#include "core/wire_int.hpp"
#include "dhcp/boot_policy.hpp"
#include "dhcp/message.hpp"
#include "ndp/service.hpp"
#include "net/offload.hpp"
#include "net/runtime.hpp"
#include "support/catch.hpp"
#include "support/network_pair.hpp"

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

using namespace rootstock;
using namespace rootstock::dhcp;
using rootstock::test::have_program;
using rootstock::test::NetworkPair;

namespace {

struct NoBoot final : BootPolicy {
    std::atomic<int> acknowledged{0};
    BootDecision decide(const ClientFacts&) override { return {}; }
    void seen_discover(const ClientFacts&) override {}
    void seen_ack(const ClientFacts&, Ipv4) override { ++acknowledged; }
};

class MemoryLeases final : public LeaseStore {
  public:
    Result<std::vector<Lease>> load() override {
        std::lock_guard lock(mutex_);
        std::vector<Lease> all;
        for (const auto& [address, lease] : leases_) {
            all.push_back(lease);
        }
        return all;
    }
    Result<void> save(const std::vector<Lease>& leases) override {
        std::lock_guard lock(mutex_);
        ++saves_;
        if (broken_) {
            return make_error(std::errc::no_space_on_device, "the disk is full");
        }
        for (const Lease& lease : leases) {
            leases_[lease.address] = lease;
        }
        return {};
    }
    Result<void> remove(Ipv4 address) override {
        std::lock_guard lock(mutex_);
        leases_.erase(address);
        return {};
    }
    void set_broken(bool broken) {
        std::lock_guard lock(mutex_);
        broken_ = broken;
    }
    [[nodiscard]] std::size_t size() const {
        std::lock_guard lock(mutex_);
        return leases_.size();
    }
    [[nodiscard]] int saves() const {
        std::lock_guard lock(mutex_);
        return saves_;
    }

  private:
    mutable std::mutex mutex_;
    std::map<Ipv4, Lease> leases_;
    int saves_ = 0;
    bool broken_ = false;
};

/// Null when the machine gives no namespaces. One for the whole program: the process cannot go back.
const NetworkPair* network() {
    static std::string why;
    static const std::unique_ptr<NetworkPair> pair = NetworkPair::make(why);
    if (!pair) {
        WARN("skipped: " << why);
    }
    return pair.get();
}

DhcpConfig config() {
    DhcpConfig result;
    result.interface = "rs-server";
    result.network = {*Ipv4::parse("10.20.0.1"), 16};
    result.first = *Ipv4::parse("10.20.1.0");
    result.last = *Ipv4::parse("10.20.9.255");
    result.router = *Ipv4::parse("10.20.0.254");
    result.dns = {*Ipv4::parse("10.20.0.2")};
    result.domain = "lab.example";
    return result;
}

struct Rig {
    SystemClock clock;
    NullLog log;
    NoBoot policy;
    MemoryLeases leases;
    net::Runtime runtime{1};
    net::Offload offload{2};
    Service service{runtime, offload, log, clock, config(), policy, leases};

    Rig() { REQUIRE(service.start()); }
    ~Rig() {
        service.stop();
        offload.stop();
    }
};

/// A folder with a script that notes what a client was given.
struct Workspace {
    std::filesystem::path folder = std::filesystem::temp_directory_path() / ("rootstock-dhcp-" + std::to_string(::getpid()));

    Workspace() {
        std::filesystem::create_directories(folder);
        std::ofstream(path("script")) << "#!/bin/sh\nenv > " << path("given") << "\n";
        std::filesystem::permissions(path("script"), std::filesystem::perms::owner_all);
    }
    ~Workspace() {
        std::error_code ignored;
        std::filesystem::remove_all(folder, ignored);
    }
    [[nodiscard]] std::string path(const std::string& name) const { return (folder / name).string(); }
    [[nodiscard]] std::string given() const {
        std::ifstream file(path("given"));
        return {std::istreambuf_iterator<char>(file), {}};
    }
};

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("udhcpc gets a lease with everything in it, and the same address again", "[integration][dhcp]") {
    const auto* net = network();
    if (net == nullptr || !have_program("udhcpc")) {
        return;
    }
    Rig rig;
    const Workspace work;
    const std::string command = "timeout 20 udhcpc -i rs-client -q -n -f -t 5 -s " + work.path("script") + " >/dev/null 2>&1";
    for (int round = 0; round < 2; ++round) {
        REQUIRE(net->run(command) == 0);
        const std::string given = work.given();
        CAPTURE(given);
        CHECK(contains(given, "ip=10.20.1.0\n"));
        CHECK(contains(given, "subnet=255.255.0.0\n"));
        CHECK(contains(given, "router=10.20.0.254\n"));
        CHECK(contains(given, "dns=10.20.0.2\n"));
        CHECK(contains(given, "domain=lab.example\n"));
        CHECK(contains(given, "serverid=10.20.0.1\n"));
        CHECK(contains(given, "lease=86400\n"));
    }
    CHECK(rig.leases.size() == 1);
    CHECK(rig.policy.acknowledged == 2);
}

TEST_CASE("dhclient gets a lease, and gives it back", "[integration][dhcp]") {
    const auto* net = network();
    if (net == nullptr || !have_program("dhclient")) {
        return;
    }
    Rig rig;
    const Workspace work;
    const std::string files = " -sf " + work.path("script") + " -lf " + work.path("leases") + " -pf " + work.path("pid") + " rs-client >/dev/null 2>&1";
    std::ofstream(work.path("leases")).close();
    REQUIRE(net->run("timeout 30 dhclient -4 -1" + files) == 0);
    CHECK(contains(work.given(), "new_ip_address=10.20.1.0\n"));
    CHECK(contains(work.given(), "new_domain_name=lab.example\n"));
    CHECK(rig.leases.size() == 1);
    CHECK(net->run("timeout 30 dhclient -4 -x" + files) == 0);
}

TEST_CASE("No ACK leaves before its lease is durable", "[integration][dhcp]") {
    const auto* net = network();
    if (net == nullptr || !have_program("udhcpc")) {
        return;
    }
    Rig rig;
    const Workspace work;
    rig.leases.set_broken(true);
    const std::string command = "timeout 20 udhcpc -i rs-client -q -n -f -t 2 -T 1 -s " + work.path("script") + " >/dev/null 2>&1";
    CHECK(net->run(command) != 0);
    CHECK(rig.leases.saves() > 0);
    CHECK(rig.policy.acknowledged == 0);
    rig.leases.set_broken(false);
    CHECK(net->run(command) == 0);
}

TEST_CASE("A second server on the same port is told who has it", "[integration][dhcp]") {
    if (network() == nullptr) {
        return;
    }
    Rig rig;
    Service second(rig.runtime, rig.offload, rig.log, rig.clock, config(), rig.policy, rig.leases);
    const auto refused = second.start();
    REQUIRE_FALSE(refused);
    CHECK(contains(refused.error().what, "the DHCP server on rs-server cannot use 0.0.0.0:67 (UDP)"));
    CHECK(contains(refused.error().what, "process " + std::to_string(::getpid())));
}

namespace {

/// 2,000 clients that ask all at once and repeat themselves after 300 ms, as one socket on port 68.
class Crowd {
  public:
    explicit Crowd(std::uint32_t size) : addresses_(size), granted_(size) {}

    /// Returns how many got a lease within `limit`.
    std::uint32_t run(std::chrono::seconds limit) {
        open();
        const auto end = std::chrono::steady_clock::now() + limit;
        auto repeat = std::chrono::steady_clock::now();
        while (count_ < granted_.size() && std::chrono::steady_clock::now() < end) {
            if (std::chrono::steady_clock::now() >= repeat) {
                for (std::uint32_t i = 0; i < granted_.size(); ++i) {
                    ask(i);
                }
                repeat = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
            }
            listen();
        }
        ::close(socket_);
        return count_;
    }

  private:
    void open() {
        socket_ = ::socket(AF_INET, SOCK_DGRAM, 0);
        const int on = 1;
        const int size = 8 << 20;
        const timeval limit{0, 20'000};
        ::setsockopt(socket_, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
        ::setsockopt(socket_, SOL_SOCKET, SO_BINDTODEVICE, "rs-client", 9);
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        sockaddr_in own{};
        own.sin_family = AF_INET;
        own.sin_port = htons(68);
        REQUIRE(::bind(socket_, reinterpret_cast<const sockaddr*>(&own), sizeof(own)) == 0);
    }
    void ask(std::uint32_t index) {
        if (granted_[index]) {
            return;
        }
        Message message;
        message.xid = index;
        message.flags = flag_broadcast;
        message.chaddr = Mac{{2, 1, 0, 0, static_cast<std::uint8_t>(index >> 8U), static_cast<std::uint8_t>(index)}};
        const auto offer = addresses_[index];
        message.options.add_u8(option::message_type, static_cast<std::uint8_t>(offer ? MessageType::request : MessageType::discover));
        if (offer) {
            message.options.add_address(option::requested_address, *offer);
            message.options.add_address(option::server_identifier, *Ipv4::parse("10.20.0.1"));
        }
        ByteVector packet;
        encode(message, 1500, packet);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(67);
        to.sin_addr.s_addr = INADDR_BROADCAST;
        ::sendto(socket_, packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
    }
    void listen() {
        std::array<std::uint8_t, 2048> space{};
        const auto size = ::recv(socket_, space.data(), space.size(), 0);
        if (size < 0) {
            return;
        }
        const auto reply = decode(Bytes(space).first(static_cast<std::size_t>(size)));
        if (!reply || reply->xid >= granted_.size()) {
            return;
        }
        if (reply->type() == MessageType::offer && !addresses_[reply->xid]) {
            addresses_[reply->xid] = reply->yiaddr;
            ask(reply->xid);
        } else if (reply->type() == MessageType::ack && !granted_[reply->xid]) {
            granted_[reply->xid] = true;
            ++count_;
        }
    }

    int socket_ = -1;
    std::uint32_t count_ = 0;
    std::vector<std::optional<Ipv4>> addresses_;
    std::vector<bool> granted_;
};

} // namespace

TEST_CASE("2,000 clients at once get 2,000 addresses, and their leases share saves", "[integration][dhcp]") {
    const auto* net = network();
    if (net == nullptr) {
        return;
    }
    Rig rig;
    constexpr std::uint32_t clients = 2000;
    std::uint32_t served = 0;
    std::chrono::duration<double> seconds{};
    REQUIRE(net->run("ip address replace 10.20.0.9/16 dev rs-client") == 0);
    std::thread crowd([&] {
        net->enter_client();
        const auto start = std::chrono::steady_clock::now();
        served = Crowd(clients).run(std::chrono::seconds(60));
        seconds = std::chrono::steady_clock::now() - start;
    });
    crowd.join();
    REQUIRE(net->run("ip -4 address flush dev rs-client") == 0);
    CHECK(served == clients);
    CHECK(rig.leases.size() == clients); // one address for each, none twice
    CHECK(rig.leases.saves() < static_cast<int>(clients));
    std::printf("dhcp: %u clients served in %.2f s with %d saves\n", served, seconds.count(), rig.leases.saves());
}

TEST_CASE("A router solicitation is answered with lifetime 0 and hop limit 255", "[integration][ndp]") {
    const auto* net = network();
    if (net == nullptr) {
        return;
    }
    SystemClock clock;
    NullLog log;
    net::Runtime runtime(1);
    ndp::Service service(runtime, log, "rs-server");
    REQUIRE(service.start());
    std::array<std::uint8_t, 1500> answer{};
    ssize_t size = -1;
    std::thread host([&] {
        net->enter_client();
        const int socket = ::socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
        icmp6_filter filter{};
        ICMP6_FILTER_SETBLOCKALL(&filter);
        ICMP6_FILTER_SETPASS(ND_ROUTER_ADVERT, &filter);
        ::setsockopt(socket, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter));
        const int hops = 255;
        ::setsockopt(socket, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops));
        const timeval limit{1, 0};
        ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        sockaddr_in6 to{};
        to.sin6_family = AF_INET6;
        to.sin6_scope_id = ::if_nametoindex("rs-client");
        ::inet_pton(AF_INET6, "ff02::2", &to.sin6_addr);
        const std::array<std::uint8_t, 8> solicitation{133};
        for (int attempt = 0; attempt < 10 && size < 0; ++attempt) { // the link-local address may still be tentative
            ::sendto(socket, solicitation.data(), solicitation.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
            size = ::recv(socket, answer.data(), answer.size(), 0);
        }
        ::close(socket);
    });
    host.join();
    service.stop();
    REQUIRE(size == 24);
    CHECK(answer[0] == 134);
    CHECK(answer[5] == 0);                    // no DHCPv6
    CHECK((answer[6] == 0 && answer[7] == 0)); // router lifetime
    CHECK(answer[16] == 1);                    // only our link-layer address
}
