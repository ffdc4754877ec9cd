// A plain HTTP client for tests: a blocking socket and text. Knows nothing of src/http.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace rootstock::test {

class HttpClient {
  public:
    explicit HttpClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        connected_ =
            ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    }
    explicit HttpClient(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof(address.sun_path) - 1);
        connected_ =
            ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    }
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;
    ~HttpClient() { ::close(socket_); }

    [[nodiscard]] bool connected() const { return connected_; }
    bool send(std::string_view bytes) const {
        return ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
               static_cast<ssize_t>(bytes.size());
    }

    /// Until `text` was received, or the server closed, or nothing came for `seconds`. Gives all
    /// that came since the last call.
    std::string read_until(std::string_view text, int seconds = 10) {
        const timeval limit{seconds, 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        std::string got;
        char buffer[4096];
        while (got.find(text) == std::string::npos) {
            const ssize_t count = ::recv(socket_, buffer, sizeof(buffer), 0);
            if (count <= 0) {
                closed_ = count == 0 || errno == ECONNRESET;
                break;
            }
            got.append(buffer, static_cast<std::size_t>(count));
        }
        return got;
    }
    std::string read_to_end(int seconds = 10) { return read_until("\xff\xff never sent", seconds); }
    [[nodiscard]] bool closed() const { return closed_; }

    /// One request on this connection, its whole answer (by Content-Length).
    std::string ask(std::string_view request) {
        send(request);
        std::string answer = read_until("\r\n\r\n");
        const std::size_t at = answer.find("Content-Length: ");
        if (at == std::string::npos) {
            return answer;
        }
        const std::size_t size = std::stoul(answer.substr(at + 16)) + answer.find("\r\n\r\n") + 4;
        while (answer.size() < size && !closed_) {
            char byte = 0;
            if (::recv(socket_, &byte, 1, 0) != 1) {
                break;
            }
            answer += byte;
        }
        return answer;
    }
    std::string get(std::string_view path) {
        return ask("GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }

  private:
    int socket_;
    bool connected_ = false;
    bool closed_ = false;
};

} // namespace rootstock::test
