// An initiator on a blocking TCP socket, for tests of the real service over loopback. Every wait ends after some seconds with a failure.
#pragma once

#include "support/catch.hpp"
#include "support/iscsi_host.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace rootstock::test {

class SocketInitiator {
  public:
    /// Connects to the loopback port; `from`: another address of 127.0.0.0/8 plays another host.
    explicit SocketInitiator(std::uint16_t port, const char* from = "127.0.0.1") : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        const timeval patience{20, 0};
        const int on = 1;
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        const sockaddr_in own = address(from, 0);
        const sockaddr_in target = address("127.0.0.1", port);
        REQUIRE(::bind(socket_, reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0);
        REQUIRE(::connect(socket_, reinterpret_cast<const sockaddr*>(&target), sizeof target) == 0);
    }
    SocketInitiator(SocketInitiator&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
    SocketInitiator& operator=(SocketInitiator&&) = delete;
    ~SocketInitiator() {
        if (socket_ >= 0) {
            ::close(socket_);
        }
    }

    /// The kernel takes only a little that was not received yet.
    void keep_small_buffer() const {
        const int small = 64 << 10;
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    }

    /// One write.
    void send(Bytes bytes) { REQUIRE(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size())); }

    /// `bytes` again and again until nothing more fits into the sockets' buffers, which are made as large as they may be; how many.
    std::size_t send_until_full(Bytes bytes) {
        const int most = 64 << 20;
        ::setsockopt(socket_, SOL_SOCKET, SO_SNDBUF, &most, sizeof most);
        std::size_t sent = 0;
        while (true) {
            const Bytes rest = bytes.subspan(sent % bytes.size());
            const ssize_t size = ::send(socket_, rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (size < 0) {
                REQUIRE(errno == EAGAIN);
                return sent;
            }
            sent += static_cast<std::size_t>(size);
        }
    }

    /// The next PDU, without digests. Nothing: the target has closed.
    std::optional<SentPdu> receive() {
        SentPdu pdu;
        ByteVector header(iscsi::bhs_size);
        if (!fill(header)) {
            return std::nullopt;
        }
        pdu.header = from_bytes<iscsi::BasicHeader>(header);
        const std::size_t length = pdu.header.data_segment_length;
        pdu.data.resize((length + 3) / 4 * 4);
        REQUIRE(fill(pdu.data));
        pdu.data.resize(length);
        return pdu;
    }
    [[nodiscard]] bool closed() { return !receive(); }

    /// Login with one request; the status.
    iscsi::LoginStatus login(std::uint8_t isid, std::initializer_list<std::string> keys = {}, std::string text = named_text()) {
        auto header = login_header(iscsi::Stage::operational, iscsi::Stage::full_feature);
        header.isid[5] = isid;
        text += key_text(keys);
        send(wire(header, as_bytes(text)));
        const auto answer = receive();
        REQUIRE(answer);
        return login_status({*answer});
    }

  private:
    [[nodiscard]] static sockaddr_in address(const char* text, std::uint16_t port) {
        sockaddr_in result{};
        result.sin_family = AF_INET;
        result.sin_port = htons(port);
        ::inet_pton(AF_INET, text, &result.sin_addr);
        return result;
    }
    bool fill(MutableBytes out) {
        std::size_t filled = 0;
        while (filled < out.size()) {
            const ssize_t size = ::recv(socket_, out.data() + filled, out.size() - filled, 0);
            if (size < 0) {
                REQUIRE(errno == ECONNRESET); // anything else: the patience is at an end
            }
            if (size <= 0) {
                return false;
            }
            filled += static_cast<std::size_t>(size);
        }
        return true;
    }

    int socket_;
};

} // namespace rootstock::test
