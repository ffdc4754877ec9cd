// RawLink: Ethernet frames on one interface, through libpcap (loaded at run time). For DHCP answers to clients that have no address
// yet, and for seeing what other servers say on the link.
//
// Belongs to one shard. Knows no protocol above Ethernet; the filter is text in pcap-filter(7).
#pragma once

#include "core/bytes.hpp"
#include "core/result.hpp"
#include "net/asio.hpp"

#include <memory>
#include <optional>

namespace rootstock::net {

class RawLink {
  public:
    /// Needs CAP_NET_RAW and libpcap; the error says which is missing. `filter`: frames that receive() is to see.
    [[nodiscard]] static Result<std::unique_ptr<RawLink>>
    open(asio::io_context& context, const std::string& interface, const std::string& filter);
    ~RawLink();
    RawLink(const RawLink&) = delete;
    RawLink& operator=(const RawLink&) = delete;

    /// A whole frame with its Ethernet header, without FCS.
    [[nodiscard]] Result<void> send(Bytes frame);

    /// Waits until receive() has something, or an error (operation_aborted when cancelled or closed).
    Awaitable<boost::system::error_code> readable();
    /// The next frame that passes the filter; valid until the next call. Never waits.
    [[nodiscard]] std::optional<Bytes> receive();

  private:
    struct Pcap;
    RawLink(asio::io_context& context, std::unique_ptr<Pcap> pcap, int descriptor);
    std::unique_ptr<Pcap> pcap_;
    Descriptor descriptor_; // pcap's own: released, not closed, at the end
};

} // namespace rootstock::net
