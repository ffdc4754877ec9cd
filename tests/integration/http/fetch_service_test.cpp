// Fetching from servers that take their time; what else they may do is in tests/integration/cli/image_urls.py.

#include "http/fetch_service.hpp"

#include "support/catch.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include <atomic>
#include <thread>

using namespace rootstock;
using namespace rootstock::http;
using Catch::Matchers::Contains;
using Tcp = boost::asio::ip::tcp;

namespace {

/// Answers each connection with `head`, then with one byte every few milliseconds, until the peer is gone.
class TrickleServer {
  public:
    explicit TrickleServer(std::string head) : head_(std::move(head)), thread_([this] { run(); }) {}
    ~TrickleServer() {
        over_ = true;
        boost::system::error_code ignored; // wakes accept()
        Tcp::socket knock(context_);
        static_cast<void>(knock.connect(acceptor_.local_endpoint(), ignored));
        thread_.join();
    }
    [[nodiscard]] Url url() const { return {false, "127.0.0.1", acceptor_.local_endpoint().port(), "/x"}; }
    [[nodiscard]] int connections() const { return connections_; }

  private:
    void run() {
        while (!over_) {
            Tcp::socket peer = acceptor_.accept();
            ++connections_;
            boost::system::error_code gone;
            boost::asio::write(peer, boost::asio::buffer(head_), gone);
            while (!gone && !over_) {
                std::this_thread::sleep_for(std::chrono::milliseconds(5));
                boost::asio::write(peer, boost::asio::buffer("x", 1), gone);
            }
        }
    }

    const std::string head_;
    boost::asio::io_context context_;
    Tcp::acceptor acceptor_{context_, Tcp::endpoint(boost::asio::ip::make_address("127.0.0.1"), 0)};
    std::atomic<bool> over_ = false;
    std::atomic<int> connections_ = 0;
    std::thread thread_; // last: uses the rest
};

struct NoSink final : FetchSink {
    Result<void> begin(std::optional<std::uint64_t>) override { return {}; }
    Result<void> write_at(std::uint64_t, Bytes) override { return {}; }
};

FetchOptions hasty() { return {"", std::chrono::milliseconds(100), std::chrono::milliseconds(1)}; }

} // namespace

TEST_CASE("a server that brings a byte now and then is given up after some attempts", "[http][fetch]") {
    for (const char* head : {"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nETag: \"v1\"\r\n\r\n", "HTTP/1.1 200 OK\r\nX: "}) {
        TrickleServer server(head);
        NoSink sink;
        const auto done = fetch(server.url(), hasty(), sink, [](std::uint64_t, std::uint64_t) { return true; });
        REQUIRE_FALSE(done);
        CHECK_THAT(done.error().what, Contains("not after some attempts"));
        CHECK(server.connections() == static_cast<int>(fetch_fruitless_max));
    }
}

TEST_CASE("a fetch that waits is cancelled at once", "[http][fetch]") {
    TrickleServer server("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    NoSink sink;
    FetchOptions patient;
    const auto done = fetch(server.url(), patient, sink, [&](std::uint64_t, std::uint64_t) { return server.connections() == 0; });
    REQUIRE_FALSE(done);
    CHECK(done.error().code == std::errc::operation_canceled);
}

TEST_CASE("an answer of another protocol, and nobody who answers, end with an error", "[http][fetch]") {
    NoSink sink;
    const auto go_on = [](std::uint64_t, std::uint64_t) { return true; };
    {
        TrickleServer server("220 mail.example ESMTP\r\n");
        CHECK_FALSE(fetch(server.url(), hasty(), sink, go_on));
    }
    boost::asio::io_context context;
    std::uint16_t port = 0;
    {
        const Tcp::acceptor closed(context, Tcp::endpoint(boost::asio::ip::make_address("127.0.0.1"), 0));
        port = closed.local_endpoint().port();
    }
    const auto done = fetch({false, "127.0.0.1", port, "/"}, hasty(), sink, go_on);
    REQUIRE_FALSE(done);
    CHECK_THAT(done.error().what, Contains("refused"));
}
