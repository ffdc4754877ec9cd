// The TFTP service on the loopback against independent clients (atftp, tftp-hpa) and a client of our own
// that speaks windows.
#include "core/text.hpp"
#include "core/wire_int.hpp"
#include "net/runtime.hpp"
#include "support/catch.hpp"
#include "tftp/file_source.hpp"
#include "tftp/limits.hpp"
#include "tftp/packet.hpp"
#include "tftp/service.hpp"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

using namespace rootstock;
using namespace rootstock::tftp;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t large_size = std::size_t{16} << 20U;

class MemoryFiles final : public FileSource {
  public:
    void add(const std::string& name, std::size_t size) {
        std::mt19937_64 random(size);
        ByteVector bytes(size);
        for (auto& byte : bytes) {
            byte = static_cast<std::uint8_t>(random());
        }
        files_[name] = std::make_shared<const ByteVector>(std::move(bytes));
    }
    [[nodiscard]] const ByteVector& bytes(const std::string& name) const { return *files_.at(name); }
    [[nodiscard]] int delivered_count() const {
        std::lock_guard lock(mutex_);
        return delivered_;
    }

    std::optional<File> find(std::string_view name, std::string_view) override {
        const auto found = files_.find(std::string(name));
        return found == files_.end() ? std::nullopt : std::optional(File{*found->second, found->second});
    }
    void delivered(std::string_view, std::string_view) override {
        std::lock_guard lock(mutex_);
        ++delivered_;
    }

  private:
    std::map<std::string, std::shared_ptr<const ByteVector>> files_;
    mutable std::mutex mutex_;
    int delivered_ = 0;
};

struct Rig {
    SystemClock clock;
    NullLog log;
    MemoryFiles files;
    net::Runtime runtime{2};
    Service service{runtime, log, clock, TftpConfig{*Ipv4::parse("127.0.0.1"), 0}, files};

    Rig() {
        files.add("snponly.efi", 173'792);
        files.add("whole-blocks", 512 * 64);
        files.add("empty", 0);
        files.add("large", large_size);
        REQUIRE(service.start());
    }
    ~Rig() { service.stop(); }
};

/// A socket of a client, with a receive time-out.
class ClientSocket {
  public:
    ClientSocket() : socket_(::socket(AF_INET, SOCK_DGRAM, 0)) {
        const timeval limit{5, 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        const int size = 4 << 20;
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    }
    ~ClientSocket() { ::close(socket_); }
    ClientSocket(const ClientSocket&) = delete;

    void send(std::uint16_t port, const ByteVector& packet) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ::sendto(socket_, packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
    }
    /// The next packet, and the port it came from. Empty: none within the limit.
    Bytes receive(std::uint16_t& port) {
        sockaddr_in from{};
        socklen_t length = sizeof(from);
        const auto size = ::recvfrom(socket_, space_.data(), space_.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
        port = ntohs(from.sin_port);
        return size < 0 ? Bytes{} : Bytes(space_).first(static_cast<std::size_t>(size));
    }

  private:
    int socket_;
    std::array<std::uint8_t, 66'000> space_{};
};

ByteVector request(std::uint8_t opcode, const std::string& name, const std::string& mode, const OptionList& options) {
    ByteVector packet{0, opcode};
    for (const auto& text : {name, mode}) {
        packet.insert(packet.end(), text.begin(), text.end());
        packet.push_back(0);
    }
    const auto tail = encode_options(options);
    packet.insert(packet.end(), tail.begin(), tail.end());
    return packet;
}

/// Reads a whole file as EDK2 would, with a window. Empty when anything goes wrong.
ByteVector fetch(std::uint16_t server, const std::string& name, std::size_t block_size, unsigned window) {
    ClientSocket socket;
    socket.send(server, request(1, name, "octet", {{"blksize", std::to_string(block_size)}, {"windowsize", std::to_string(window)}}));
    ByteVector file;
    std::uint64_t received = 0;
    unsigned unacknowledged = 0;
    while (true) {
        std::uint16_t port = 0;
        const Bytes packet = socket.receive(port);
        if (packet.size() < 4 || packet[1] == 5) {
            return {};
        }
        const auto ack = [&] {
            unacknowledged = 0;
            socket.send(port, {0, 4, static_cast<std::uint8_t>(received >> 8U), static_cast<std::uint8_t>(received)});
        };
        if (packet[1] == 6) {
            ack();
            continue;
        }
        if (from_bytes<be16>(packet.subspan(2)).value() != ((received + 1) & 0xffff)) {
            ack();
            continue;
        }
        ++received;
        file.insert(file.end(), packet.begin() + 4, packet.end());
        const bool last = packet.size() - 4 < block_size;
        if (++unacknowledged == window || last) {
            ack();
        }
        if (last) {
            return file;
        }
    }
}

/// The ERROR code that `packet` is answered with; nothing without an ERROR.
std::optional<int> error_for(Rig& rig, const ByteVector& packet) {
    ClientSocket socket;
    socket.send(rig.service.port(), packet);
    std::uint16_t port = 0;
    const Bytes answer = socket.receive(port);
    return answer.size() > 4 && answer[1] == 5 ? std::optional(int{answer[3]}) : std::nullopt;
}

struct TemporaryFile {
    std::filesystem::path path = std::filesystem::temp_directory_path() / ("rootstock-tftp-" + std::to_string(::getpid()));
    ~TemporaryFile() {
        std::error_code ignored;
        std::filesystem::remove(path, ignored);
    }
    [[nodiscard]] ByteVector bytes() const {
        std::ifstream file(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
};

bool have(const char* program) {
    const bool found = std::system(("command -v " + std::string(program) + " >/dev/null 2>&1").c_str()) == 0;
    if (!found) {
        WARN("skipped: the program " << program << " is not installed");
    }
    return found;
}

} // namespace

TEST_CASE("atftp fetches files, with and without options", "[integration][tftp]") {
    if (!have("atftp")) {
        return;
    }
    Rig rig;
    const std::string options = GENERATE("", "--option 'blksize 1428'", "--option 'blksize 1428' --option 'windowsize 8'", "--option 'blksize 65464'");
    const std::string name = GENERATE("snponly.efi", "whole-blocks");
    TemporaryFile file;
    const std::string command = "timeout 20 atftp " + options + " --get -r " + name + " -l " + file.path.string() + " 127.0.0.1 " +
                                std::to_string(rig.service.port()) + " >/dev/null 2>&1";
    CAPTURE(command);
    CHECK(std::system(command.c_str()) == 0);
    CHECK(file.bytes() == rig.files.bytes(name));
}

TEST_CASE("tftp-hpa fetches a file in octet mode and is refused in netascii", "[integration][tftp]") {
    if (!have("tftp")) {
        return;
    }
    Rig rig;
    TemporaryFile file;
    const std::string command = "timeout 20 tftp -4 -m octet 127.0.0.1 " + std::to_string(rig.service.port()) + " -c get snponly.efi " +
                                file.path.string() + " >/dev/null 2>&1";
    CHECK(std::system(command.c_str()) == 0);
    CHECK(file.bytes() == rig.files.bytes("snponly.efi"));
    CHECK(error_for(rig, request(1, "snponly.efi", "netascii", {})) == 4);
}

TEST_CASE("Refusals: unknown files, writes, nonsense", "[integration][tftp]") {
    Rig rig;
    CHECK(error_for(rig, request(1, "../../etc/passwd", "octet", {})) == 1);
    CHECK(error_for(rig, request(1, "/etc/passwd", "octet", {})) == 1);
    CHECK(error_for(rig, request(2, "snponly.efi", "octet", {})) == 2);
    CHECK(error_for(rig, request(1, "snponly.efi", "mail", {})) == 4);
    CHECK(error_for(rig, ByteVector{0, 1, 'a'}) == 4);
    CHECK(fetch(rig.service.port(), "/snponly.efi", 1468, 4) == rig.files.bytes("snponly.efi")); // leading slashes are the client's habit
}

TEST_CASE("A stranger's packet gets ERROR 5 and does not disturb the transfer", "[integration][tftp]") {
    Rig rig;
    ClientSocket client;
    client.send(rig.service.port(), request(1, "snponly.efi", "octet", {}));
    std::uint16_t transfer = 0;
    REQUIRE(client.receive(transfer).size() == 516);
    ClientSocket stranger;
    stranger.send(transfer, {0, 4, 0, 1});
    std::uint16_t port = 0;
    const Bytes answer = stranger.receive(port);
    REQUIRE(answer.size() > 4);
    CHECK(answer[1] == 5);
    CHECK(answer[3] == 5);
    client.send(transfer, {0, 4, 0, 1});
    const Bytes second = client.receive(port);
    REQUIRE(second.size() == 516);
    CHECK(second[3] == 2);
}

TEST_CASE("A repeated request starts no second transfer; one client cannot take all", "[integration][tftp]") {
    Rig rig;
    ClientSocket client;
    std::set<std::uint16_t> ports;
    client.send(rig.service.port(), request(1, "snponly.efi", "octet", {}));
    client.send(rig.service.port(), request(1, "snponly.efi", "octet", {}));
    std::uint16_t port = 0;
    REQUIRE(client.receive(port).size() == 516);
    ports.insert(port);
    REQUIRE(client.receive(port).size() == 516); // the first transfer's repetition
    ports.insert(port);
    CHECK(ports.size() == 1);

    std::deque<ClientSocket> many(transfers_per_client_limit - 1);
    for (auto& other : many) {
        other.send(rig.service.port(), request(1, "snponly.efi", "octet", {}));
        REQUIRE(other.receive(port).size() == 516);
    }
    CHECK(error_for(rig, request(1, "snponly.efi", "octet", {})) == 0);
}

TEST_CASE("stop() ends running transfers at once", "[integration][tftp]") {
    Rig rig;
    ClientSocket client;
    client.send(rig.service.port(), request(1, "large", "octet", {}));
    std::uint16_t port = 0;
    REQUIRE(client.receive(port).size() == 516);
    const auto before = std::chrono::steady_clock::now();
    rig.service.stop();
    CHECK(std::chrono::steady_clock::now() - before < 5s);
}

TEST_CASE("Many clients at once, each with a window, get their file whole", "[integration][tftp]") {
    Rig rig;
    constexpr std::size_t threads = 16;
    std::vector<std::thread> clients;
    std::atomic<int> whole{0};
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < threads; ++i) {
        clients.emplace_back([&] { whole += fetch(rig.service.port(), "large", 1468, 16) == rig.files.bytes("large") ? 1 : 0; });
    }
    for (auto& client : clients) {
        client.join();
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    CHECK(whole == static_cast<int>(threads));
    std::printf("tftp: %zu clients, blksize 1468, windowsize 16: %.0f MB/s\n", threads,
                static_cast<double>(threads * large_size) / 1e6 / seconds.count());
}
