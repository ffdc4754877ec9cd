// The floor: the least that a server of this protocol could do on this machine. One thread, epoll, one receive, every READ in it answered
// from one hot buffer by one gather send. No checks, no disk, no windows: only what a READ must cost in system calls and header bytes.
// Prints "port N" when it listens, ends when its standard input ends.
#include "iscsi/bhs.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

using namespace rootstock;
using namespace rootstock::iscsi;

namespace {

constexpr std::uint32_t block_size = 512;
constexpr std::size_t largest_segment = 256 * 1024;
const ByteVector hot_buffer(largest_segment, 0x5a);

[[noreturn]] void fail(const char* what) {
    std::perror(what);
    std::exit(1);
}

class Peer {
  public:
    explicit Peer(int socket) : socket_(socket) {}
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    ~Peer() { ::close(socket_); }

    /// One receive and one send. False: the peer has gone.
    bool serve() {
        const ssize_t received = ::recv(socket_, input_.data() + filled_, input_.size() - filled_, 0);
        if (received <= 0) {
            return received < 0 && errno == EAGAIN;
        }
        filled_ += static_cast<std::size_t>(received);
        std::size_t used = 0;
        while (filled_ - used >= bhs_size) {
            const auto header = from_bytes<BasicHeader>(Bytes(input_).subspan(used));
            const std::size_t size = bhs_size + (header.data_segment_length.value() + 3U) / 4U * 4U;
            if (filled_ - used < size) {
                break;
            }
            answer(header);
            used += size;
        }
        std::copy(input_.begin() + static_cast<std::ptrdiff_t>(used), input_.begin() + static_cast<std::ptrdiff_t>(filled_), input_.begin());
        filled_ -= used;
        return send_all();
    }

  private:
    void answer(const BasicHeader& header) {
        switch (header.opcode()) {
        case Opcode::login_request: answer_login(); break;
        case Opcode::scsi_command: answer_command(header_as<ScsiCommandHeader>(header)); break;
        default: break;
        }
    }

    void answer_login() {
        static constexpr std::string_view keys("MaxRecvDataSegmentLength=262144\0", 32);
        auto response = make_header<LoginResponseHeader>(Opcode::login_response);
        response.flags = 0x87;
        response.tsih = 1;
        response.stat_sn = stat_sn_++;
        response.exp_cmd_sn = 1;
        response.max_cmd_sn = 1024;
        response.data_segment_length = static_cast<std::uint32_t>(keys.size());
        push_header(object_bytes(std::as_const(response)));
        push(as_bytes(keys));
    }

    void answer_command(const ScsiCommandHeader& command) {
        constexpr std::uint8_t read_10 = 0x28;
        if (command.cdb[0] != read_10) {
            auto response = make_header<ScsiResponseHeader>(Opcode::scsi_response);
            response.initiator_task_tag = command.initiator_task_tag;
            response.stat_sn = stat_sn_++;
            response.exp_cmd_sn = command.cmd_sn.value() + 1;
            response.max_cmd_sn = command.cmd_sn.value() + 1024;
            push_header(object_bytes(std::as_const(response)));
            return;
        }
        const std::size_t length = std::size_t{from_bytes<be16>(Bytes(command.cdb).subspan(7)).value()} * block_size;
        for (std::size_t done = 0; done < length; done += largest_segment) {
            const std::size_t piece = std::min(largest_segment, length - done);
            auto data = make_header<DataInHeader>(Opcode::data_in);
            data.flags = done + piece == length ? final_bit | DataInHeader::status_bit : 0;
            data.data_segment_length = static_cast<std::uint32_t>(piece);
            data.initiator_task_tag = command.initiator_task_tag;
            data.target_transfer_tag = reserved_tag;
            data.stat_sn = data.flags != 0 ? stat_sn_++ : 0;
            data.exp_cmd_sn = command.cmd_sn.value() + 1;
            data.max_cmd_sn = command.cmd_sn.value() + 1024;
            data.data_sn = static_cast<std::uint32_t>(done / largest_segment);
            data.buffer_offset = static_cast<std::uint32_t>(done);
            push_header(object_bytes(std::as_const(data)));
            push(Bytes(hot_buffer).first(piece));
        }
    }

    void push_header(Bytes header) {
        auto& kept = headers_.at(header_count_++);
        std::copy(header.begin(), header.end(), kept.begin());
        push(kept);
    }
    void push(Bytes bytes) {
        pieces_.at(piece_count_++) = {const_cast<std::uint8_t*>(bytes.data()), bytes.size()}; // iovec has no const
    }

    /// The socket blocks: a real server would wait in epoll, which costs no less.
    bool send_all() {
        iovec* next = pieces_.data();
        while (piece_count_ > 0) {
            msghdr message{};
            message.msg_iov = next;
            message.msg_iovlen = piece_count_;
            const ssize_t sent = ::sendmsg(socket_, &message, MSG_NOSIGNAL);
            if (sent < 0) {
                return false;
            }
            for (auto rest = static_cast<std::size_t>(sent); rest > 0;) {
                const std::size_t taken = std::min(rest, next->iov_len);
                next->iov_base = static_cast<std::uint8_t*>(next->iov_base) + taken;
                next->iov_len -= taken;
                rest -= taken;
                if (next->iov_len == 0) {
                    ++next;
                    --piece_count_;
                }
            }
        }
        header_count_ = 0;
        return true;
    }

    int socket_;
    std::uint32_t stat_sn_ = 1;
    std::vector<std::uint8_t> input_ = std::vector<std::uint8_t>(128 * 1024);
    std::size_t filled_ = 0;
    std::array<std::array<std::uint8_t, bhs_size>, 2048> headers_{};
    std::array<iovec, 4096> pieces_{};
    std::size_t header_count_ = 0;
    std::size_t piece_count_ = 0;
};

int listen_anywhere() {
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 || ::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(listener, 1024) != 0) {
        fail("bench_floor: listen");
    }
    socklen_t size = sizeof address;
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
    std::printf("port %d\n", int{ntohs(address.sin_port)});
    std::fflush(stdout);
    return listener;
}

void watch(int poll, int descriptor) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = descriptor;
    if (::epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event) != 0) {
        fail("bench_floor: epoll_ctl");
    }
}

} // namespace

int main() {
    const int listener = listen_anywhere();
    const int poll = ::epoll_create1(0);
    watch(poll, listener);
    watch(poll, STDIN_FILENO);
    std::map<int, std::unique_ptr<Peer>> peers;
    std::array<epoll_event, 64> events{};
    for (;;) {
        const int count = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), -1);
        for (int i = 0; i < count; ++i) {
            const int ready = events[static_cast<std::size_t>(i)].data.fd;
            if (ready == STDIN_FILENO) {
                return 0;
            }
            if (ready == listener) {
                const int accepted = ::accept(listener, nullptr, nullptr);
                const int on = 1;
                ::setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                peers[accepted] = std::make_unique<Peer>(accepted);
                watch(poll, accepted);
            } else if (!peers.at(ready)->serve()) {
                peers.erase(ready);
            }
        }
    }
}
