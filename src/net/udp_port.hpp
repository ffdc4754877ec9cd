// UdpPort: an IPv4 UDP socket that knows on which interface and to which of our addresses a datagram came, answers from that
// address, and moves datagrams in batches (recvmmsg, sendmmsg).
//
// Belongs to one shard. Sending never blocks and never fails loudly: UDP may lose datagrams, so protocols repeat them.
#pragma once

#include "core/bytes.hpp"
#include "core/ipv4.hpp"
#include "core/result.hpp"
#include "net/asio.hpp"
#include "net/limits.hpp"

#include <array>
#include <memory>

#include <sys/socket.h>

namespace rootstock::net {

struct UdpEndpoint {
    Ipv4 address;
    std::uint16_t port = 0; // host byte order
    auto operator<=>(const UdpEndpoint&) const = default;
    [[nodiscard]] std::string text() const { return address.text() + ":" + std::to_string(port); }
};

struct Datagram {
    Bytes data;                   // in the batch: until its next use
    UdpEndpoint from;
    Ipv4 local;                   // the address of ours that it was sent to, or of the interface for a broadcast
    unsigned interface_index = 0; // where it came in
};

/// Header and payload apart, so that file contents are never copied. Either may be empty.
struct OutgoingDatagram {
    Bytes head;
    Bytes body;
    UdpEndpoint to;
    Ipv4 from; // unspecified: the kernel chooses
};

/// Space for one receive call. One per shard is enough for any number of ports.
class UdpBatch {
  public:
    UdpBatch();
    [[nodiscard]] std::span<const Datagram> datagrams() const { return {datagrams_.data(), count_}; }

  private:
    friend class UdpPort;
    static constexpr std::size_t control_size = 64;
    std::vector<std::array<std::uint8_t, udp_receive_size>> space_;
    std::array<std::array<char, control_size>, udp_batch_size> control_{};
    std::array<sockaddr_storage, udp_batch_size> names_{};
    std::array<iovec, udp_batch_size> vectors_{};
    std::array<mmsghdr, udp_batch_size> messages_{};
    std::array<Datagram, udp_batch_size> datagrams_;
    std::size_t count_ = 0;
};

struct UdpOptions {
    Ipv4 address;            // unspecified: all
    std::uint16_t port = 0;  // 0: the kernel chooses
    std::string device;      // only this interface (SO_BINDTODEVICE, needs CAP_NET_RAW on old kernels); empty: all
    bool broadcast = false;
    std::string purpose;     // "the DHCP server": for errors
};

class UdpPort {
  public:
    [[nodiscard]] static Result<std::unique_ptr<UdpPort>> open(asio::io_context& context, const UdpOptions& options);

    /// Waits until receive() has something, or an error (operation_aborted when cancelled or closed).
    Awaitable<boost::system::error_code> readable();
    /// The same with a deadline. False: it passed, or the wait was cancelled (then the next await throws).
    Awaitable<bool> readable_until(std::chrono::steady_clock::time_point deadline);
    /// Waits until the kernel takes datagrams again.
    Awaitable<boost::system::error_code> writable();

    /// Fills `batch` with what is there, at most udp_batch_size, without waiting. False: nothing was there.
    bool receive(UdpBatch& batch);

    /// Hands the front of `datagrams` to the kernel and returns how many it is done with: less than all means that its buffer is
    /// full. A datagram that cannot be sent (no route, peer's port closed) counts as done.
    std::size_t send(std::span<const OutgoingDatagram> datagrams);

    [[nodiscard]] std::uint16_t port() const { return port_; }
    void close();

  private:
    explicit UdpPort(UdpSocket socket);
    UdpSocket socket_;
    Timer deadline_;
    std::uint16_t port_ = 0;
};

} // namespace rootstock::net
