#include "net/udp_port.hpp"

#include "net/capabilities.hpp"
#include "net/port_owner.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <netinet/in.h>

namespace rootstock::net {

namespace {

sockaddr_in to_sockaddr(const UdpEndpoint& endpoint) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    address.sin_addr.s_addr = htonl(endpoint.address.value);
    return address;
}

UdpEndpoint to_endpoint(const sockaddr_storage& from) {
    sockaddr_in address{};
    std::memcpy(&address, &from, sizeof(address));
    return {{ntohl(address.sin_addr.s_addr)}, ntohs(address.sin_port)};
}

/// Reads IP_PKTINFO (ip(7)): the interface, and the local address to answer from.
void read_packet_info(msghdr& header, Datagram& datagram) {
    for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
        if (item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_PKTINFO) {
            in_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(item), sizeof(info));
            datagram.interface_index = static_cast<unsigned>(info.ipi_ifindex);
            datagram.local = {ntohl(info.ipi_spec_dst.s_addr)};
        }
    }
}

bool set_flag(int socket, int level, int option) {
    const int on = 1;
    return ::setsockopt(socket, level, option, &on, sizeof(on)) == 0;
}

/// All options before bind: two sockets may share a port when each is bound to another device.
Result<void> configure(int socket, const UdpOptions& options) {
    const std::string& purpose = options.purpose;
    if (!set_flag(socket, IPPROTO_IP, IP_PKTINFO) || (options.broadcast && !set_flag(socket, SOL_SOCKET, SO_BROADCAST))) {
        return errno_error(purpose + ": setting socket options");
    }
    // Best effort: the kernel cuts it to net.core.rmem_max, and a smaller buffer only loses more of a burst.
    const int size = udp_buffer_bytes;
    ::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    if (!options.device.empty()) {
        const auto length = static_cast<socklen_t>(options.device.size());
        if (::setsockopt(socket, SOL_SOCKET, SO_BINDTODEVICE, options.device.data(), length) != 0) {
            return errno_error(purpose + ": binding to interface " + options.device);
        }
    }
    const sockaddr_in address = to_sockaddr({options.address, options.port});
    if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        const std::string where = options.address.text() + ":" + std::to_string(options.port);
        return errno == EADDRINUSE ? port_taken_error(Transport::udp, where, options.port, purpose)
                                   : errno_error(purpose + ": binding to " + where);
    }
    return {};
}

struct OutgoingMessage {
    std::array<iovec, 2> parts;
    sockaddr_in to;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in_pktinfo))> control;
};

iovec to_iovec(Bytes bytes) { return {const_cast<std::uint8_t*>(bytes.data()), bytes.size()}; }

void fill_message(const OutgoingDatagram& datagram, OutgoingMessage& message, msghdr& header) {
    message.parts = {to_iovec(datagram.head), to_iovec(datagram.body)};
    message.to = to_sockaddr(datagram.to);
    header = {};
    header.msg_name = &message.to;
    header.msg_namelen = sizeof(message.to);
    header.msg_iov = message.parts.data();
    header.msg_iovlen = message.parts.size();
    if (datagram.from.is_unspecified()) {
        return;
    }
    message.control = {};
    header.msg_control = message.control.data();
    header.msg_controllen = message.control.size();
    cmsghdr* item = CMSG_FIRSTHDR(&header);
    item->cmsg_level = IPPROTO_IP;
    item->cmsg_type = IP_PKTINFO;
    item->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
    in_pktinfo info{};
    info.ipi_spec_dst.s_addr = htonl(datagram.from.value);
    std::memcpy(CMSG_DATA(item), &info, sizeof(info));
}

} // namespace

UdpBatch::UdpBatch() : space_(udp_batch_size) {
    for (std::size_t i = 0; i < udp_batch_size; ++i) {
        vectors_[i] = {space_[i].data(), space_[i].size()};
    }
}

UdpPort::UdpPort(UdpSocket socket) : socket_(std::move(socket)), deadline_(socket_.get_executor()) {
    boost::system::error_code ignored; // port 0 then: only tests ask
    port_ = socket_.local_endpoint(ignored).port();
}

Result<std::unique_ptr<UdpPort>> UdpPort::open(asio::io_context& context, const UdpOptions& options) {
    if (auto allowed = require_bind_capability(options.port, options.purpose); !allowed) {
        return allowed.error();
    }
    UdpSocket socket(context);
    boost::system::error_code error;
    socket.open(Udp::v4(), error);
    if (!error) {
        socket.native_non_blocking(true, error);
    }
    if (error) {
        return Error{error, options.purpose + ": opening a UDP socket: " + error.message()};
    }
    if (auto configured = configure(socket.native_handle(), options); !configured) {
        return configured.error();
    }
    return std::unique_ptr<UdpPort>(new UdpPort(std::move(socket)));
}

Awaitable<boost::system::error_code> UdpPort::readable() {
    auto [error] = co_await socket_.async_wait(UdpSocket::wait_read, as_tuple_awaitable);
    co_return error;
}

Awaitable<bool> UdpPort::readable_until(std::chrono::steady_clock::time_point deadline) {
    using namespace asio::experimental::awaitable_operators;
    deadline_.expires_at(deadline);
    const auto first = co_await (socket_.async_wait(UdpSocket::wait_read, as_tuple_awaitable) ||
                                 deadline_.async_wait(as_tuple_awaitable));
    co_return first.index() == 0 && !std::get<0>(std::get<0>(first));
}

Awaitable<boost::system::error_code> UdpPort::writable() {
    auto [error] = co_await socket_.async_wait(UdpSocket::wait_write, as_tuple_awaitable);
    co_return error;
}

bool UdpPort::receive(UdpBatch& batch) {
    for (std::size_t i = 0; i < udp_batch_size; ++i) {
        msghdr& header = batch.messages_[i].msg_hdr;
        header = {};
        header.msg_name = &batch.names_[i];
        header.msg_namelen = sizeof(batch.names_[i]);
        header.msg_iov = &batch.vectors_[i];
        header.msg_iovlen = 1;
        header.msg_control = batch.control_[i].data();
        header.msg_controllen = batch.control_[i].size();
    }
    // An error here is a past ICMP answer to something we sent; the next call is clean.
    const int count = ::recvmmsg(socket_.native_handle(), batch.messages_.data(), udp_batch_size, MSG_DONTWAIT, nullptr);
    batch.count_ = count > 0 ? static_cast<std::size_t>(count) : 0;
    for (std::size_t i = 0; i < batch.count_; ++i) {
        Datagram& datagram = batch.datagrams_[i];
        datagram = {};
        datagram.data = Bytes(batch.space_[i]).first(batch.messages_[i].msg_len);
        datagram.from = to_endpoint(batch.names_[i]);
        read_packet_info(batch.messages_[i].msg_hdr, datagram);
    }
    return batch.count_ > 0;
}

std::size_t UdpPort::send(std::span<const OutgoingDatagram> datagrams) {
    std::array<OutgoingMessage, udp_batch_size> messages;
    std::array<mmsghdr, udp_batch_size> headers;
    std::size_t done = 0;
    while (done < datagrams.size()) {
        const auto batch = std::min(udp_batch_size, datagrams.size() - done);
        for (std::size_t i = 0; i < batch; ++i) {
            fill_message(datagrams[done + i], messages[i], headers[i].msg_hdr);
        }
        const int sent = ::sendmmsg(socket_.native_handle(), headers.data(), static_cast<unsigned>(batch), MSG_DONTWAIT);
        if (sent > 0) {
            done += static_cast<std::size_t>(sent);
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            break;
        } else if (errno != EINTR) {
            ++done; // this one cannot be sent: lost, as UDP may
        }
    }
    return done;
}

void UdpPort::close() {
    boost::system::error_code ignored; // nothing is buffered that could be lost
    socket_.close(ignored);
}

} // namespace rootstock::net
