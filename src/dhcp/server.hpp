// Server: the decisions of a DHCP server (RFC 2131 section 4.3) for one network. Pure: (now, packet) -> what to save, send and log.
//
// Feed it every packet that has come, then take_output(). Replies in `after_save` promise a lease: they are sent when `changes` are
// durable, and never when saving failed (the client asks again). Belongs to the control shard.
//
// It is authoritative for its own network: a client that asks for an address which cannot be right gets a NAK. It keeps silent about
// addresses of its network that are outside of its range and unknown to it, because another server's lease may be good.
// ProxyDHCP will be a second class of the same shape beside this one; relays need one network per giaddr.
#pragma once

#include "dhcp/boot_policy.hpp"
#include "dhcp/config.hpp"
#include "dhcp/event.hpp"
#include "dhcp/pool.hpp"
#include "dhcp/reply.hpp"

#include <map>

namespace rootstock::dhcp {

struct Input {
    Bytes packet; // UDP payload
    Ipv4 source;  // of the IP header; unspecified for a client without an address
};

struct Reply {
    Destination to;
    ByteVector packet;
    /// For BootPolicy::seen_ack, when the reply is a DHCPACK of a lease.
    std::optional<Ipv4> granted;
    ClientFacts client;
};

/// What the store must know of an address: its lease, or that it has none any more. The last word on each wins.
using LeaseChanges = std::map<Ipv4, std::optional<Lease>>;

struct Output {
    LeaseChanges changes;
    std::vector<Reply> at_once;
    std::vector<Reply> after_save;
    std::vector<Event> events;
};

class Server {
  public:
    /// `config` has passed check(). `policy` outlives the server.
    Server(DhcpConfig config, BootPolicy& policy);

    /// The leases of an earlier run, before the first packet.
    void restore(const std::vector<Lease>& leases, WallTime now);

    void handle_input(WallTime now, const Input& input);
    /// A frame seen on the link that came from some server's port: other servers are reported.
    void handle_foreign_frame(WallTime now, Bytes frame);
    /// What has gathered since the last call.
    [[nodiscard]] Output take_output();

    [[nodiscard]] const LeasePool& pool() const { return pool_; }

  private:
    /// One request on its way through the server.
    struct Exchange;
    /// What the server knows about an address that a client asks for.
    enum class Standing : std::uint8_t { open, taken, unknown, wrong_network };

    void on_discover(Exchange& exchange);
    void on_request(Exchange& exchange);
    void on_selecting(Exchange& exchange, Ipv4 requested);
    void on_init_reboot(Exchange& exchange, Ipv4 requested);
    void on_extending(Exchange& exchange);
    void on_decline(Exchange& exchange);
    void on_release(Exchange& exchange);
    void on_inform(Exchange& exchange);

    void decide(Exchange& exchange);
    [[nodiscard]] std::optional<Ipv4> choose_address(const Exchange& exchange);
    [[nodiscard]] bool has_own_reservation(const Exchange& exchange) const;
    [[nodiscard]] Standing standing(const Exchange& exchange, Ipv4 address) const;
    [[nodiscard]] bool is_host_address(Ipv4 address) const;
    void grant(Exchange& exchange, Ipv4 address);
    void refuse(Exchange& exchange, Ipv4 address, std::string_view reason);
    void send(const Exchange& exchange, const Message& reply, std::vector<Reply>& queue, std::optional<Ipv4> granted);
    void report(EventKind kind, const Mac& mac, Ipv4 address, std::string detail = {});
    void report_seldom(WallTime now, EventKind kind, const Mac& mac, Ipv4 address, std::string detail);

    DhcpConfig config_;
    BootPolicy& policy_;
    LeasePool pool_;
    Output output_;
    std::map<std::pair<EventKind, Ipv4>, WallTime> last_report_;
};

} // namespace rootstock::dhcp
