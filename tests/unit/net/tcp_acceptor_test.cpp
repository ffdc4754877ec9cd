#include "net/tcp_acceptor.hpp"

#include "net/capabilities.hpp"
#include "net/interfaces.hpp"
#include "net/port_owner.hpp"
#include "support/catch.hpp"

#include <condition_variable>
#include <set>

#include <boost/asio/connect.hpp>

#include <unistd.h>

using namespace rootstock;
using namespace rootstock::net;

namespace {

struct Arrivals {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::size_t> shards;
    std::vector<ShardLoad> loads;

    TcpAcceptor::OnConnection recorder() {
        return [this](Shard& shard, TcpSocket, ShardLoad load) {
            std::lock_guard lock(mutex);
            shards.push_back(shard.runs_here() ? shard.index() : 999);
            loads.push_back(std::move(load));
            changed.notify_all();
        };
    }
    void wait_for(std::size_t count) {
        std::unique_lock lock(mutex);
        REQUIRE(changed.wait_for(lock, std::chrono::seconds(60), [&] { return shards.size() == count; }));
    }
};

} // namespace

TEST_CASE("Acceptor: connections are spread over the shards and arrive on their threads", "[net][tcp]") {
    const auto [listen, connect] = GENERATE(std::pair<const char*, const char*>("127.0.0.1", "127.0.0.1"),
                                            std::pair<const char*, const char*>("::1", "::1"));
    Runtime runtime(2);
    NullLog log;
    Arrivals arrivals;
    TcpAcceptor acceptor(runtime, log, arrivals.recorder());
    REQUIRE(acceptor.listen(listen, 0, "test"));
    acceptor.accept();

    asio::io_context context;
    std::vector<Tcp::socket> clients;
    for (std::size_t i = 0; i < 6; ++i) {
        clients.emplace_back(context).connect({asio::ip::make_address(connect), acceptor.port()});
        arrivals.wait_for(i + 1);
    }
    CHECK(arrivals.shards == std::vector<std::size_t>{0, 1, 0, 1, 0, 1});
    acceptor.stop();
}

TEST_CASE("Acceptor: who connects before accept() waits, and is served then", "[net][tcp]") {
    Runtime runtime(1);
    NullLog log;
    Arrivals arrivals;
    TcpAcceptor acceptor(runtime, log, arrivals.recorder());
    REQUIRE(acceptor.listen("127.0.0.1", 0, "test"));
    asio::io_context context;
    Tcp::socket client(context);
    client.connect({asio::ip::make_address("127.0.0.1"), acceptor.port()});
    runtime.shard(0).call([] {}); // the shard had its chance
    {
        std::lock_guard lock(arrivals.mutex);
        CHECK(arrivals.shards.empty());
    }
    acceptor.accept();
    arrivals.wait_for(1);
    acceptor.stop();
}

TEST_CASE("Acceptor: all of IPv4 and all of IPv6 stand beside each other on one port", "[net][tcp]") {
    Runtime runtime(1);
    NullLog log;
    Arrivals arrivals;
    TcpAcceptor acceptor(runtime, log, arrivals.recorder());
    REQUIRE(acceptor.listen("::", 0, "test"));
    asio::io_context context;
    boost::system::error_code error;
    const Tcp::endpoint by_v4(asio::ip::make_address("127.0.0.1"), acceptor.port());
    Tcp::socket(context).connect(by_v4, error);
    CHECK(error == asio::error::connection_refused);
    REQUIRE(acceptor.listen("0.0.0.0", acceptor.port(), "test"));
    acceptor.accept();
    Tcp::socket first(context), second(context);
    first.connect(by_v4);
    second.connect({asio::ip::make_address("::1"), acceptor.port()});
    arrivals.wait_for(2);
    acceptor.stop();
}

TEST_CASE("Acceptor: a taken port names address, holder and remedy", "[net][tcp]") {
    Runtime runtime(1);
    NullLog log;
    TcpAcceptor first(runtime, log, [](Shard&, TcpSocket, ShardLoad) {});
    REQUIRE(first.listen("127.0.0.1", 0, "first"));
    TcpAcceptor second(runtime, log, [](Shard&, TcpSocket, ShardLoad) {});
    const auto refused = second.listen("127.0.0.1", first.port(), "the iSCSI target");
    REQUIRE_FALSE(refused);
    const std::string& text = refused.error().what;
    CHECK(text.find("the iSCSI target cannot use 127.0.0.1:" + std::to_string(first.port())) == 0);
    CHECK(text.find("(process " + std::to_string(::getpid()) + ")") != std::string::npos);
    CHECK(text.find("choose another") != std::string::npos);
}

TEST_CASE("Acceptor: nonsense for an address is an error, not an exception", "[net][tcp]") {
    Runtime runtime(1);
    NullLog log;
    TcpAcceptor acceptor(runtime, log, [](Shard&, TcpSocket, ShardLoad) {});
    CHECK_FALSE(acceptor.listen("10.0.0", 0, "test"));
    CHECK_FALSE(acceptor.listen("192.0.2.1", 0, "test")); // not ours
}

TEST_CASE("Interfaces: the loopback is there, with index and network", "[net][interfaces]") {
    const auto lo = find_interface("lo");
    REQUIRE(lo);
    CHECK(lo->index != 0);
    CHECK(lo->loopback);
}

TEST_CASE("Interfaces: a wrong name is answered with the nearest and with the list", "[net][interfaces]") {
    const auto wrong = find_interface("lp");
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().what.find("did you mean \"lo\"?") != std::string::npos);
    CHECK(wrong.error().what.find("127.0.0.1/8") != std::string::npos);
}

TEST_CASE("Capabilities: unprivileged ports need none", "[net][capabilities]") {
    CHECK(require_bind_capability(0, "test"));
    CHECK(require_bind_capability(3260, "test"));
}
