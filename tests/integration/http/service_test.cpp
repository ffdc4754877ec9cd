// The HTTP service over loopback, with peers that behave, dawdle, vanish and flood.
#include "http/limits.hpp"
#include "http/service.hpp"
#include "support/catch.hpp"
#include "support/http_client.hpp"
#include "support/temporary_folder.hpp"

#include <atomic>
#include <sys/stat.h>
#include <thread>

using namespace rootstock;
using namespace rootstock::http;
using namespace std::chrono_literals;
using Catch::Contains;
using test::HttpClient;

namespace {

/// Finished by the test.
struct Gate {
    std::mutex mutex;
    Wake wake;
    std::atomic<int> waiting{0};
    std::atomic<int> gone{0};
    std::atomic<int> finished{0};

    void open() {
        std::lock_guard lock(mutex);
        if (wake) {
            wake();
        }
    }
};

class TestHeld final : public Held {
  public:
    TestHeld(Gate& gate, std::chrono::milliseconds patience) : gate_(gate), patience_(patience) {}
    ~TestHeld() override { ++gate_.gone; }
    void on_ready(Wake wake) override {
        std::lock_guard lock(gate_.mutex);
        gate_.wake = std::move(wake);
        ++gate_.waiting;
    }
    std::chrono::milliseconds patience() const override { return patience_; }
    Response finish() override {
        ++gate_.finished;
        return text_response(200, "text/plain", "at last");
    }

  private:
    Gate& gate_;
    std::chrono::milliseconds patience_;
};

class Counting final : public Stream {
  public:
    explicit Counting(Gate& gate) : gate_(gate) {}
    ~Counting() override { ++gate_.gone; }
    void on_ready(Wake wake) override {
        std::lock_guard lock(gate_.mutex);
        gate_.wake = std::move(wake);
    }
    std::optional<std::string> next() override {
        return count_ == 3 ? std::nullopt
                           : std::optional("line " + std::to_string(++count_) + "\n");
    }
    std::chrono::milliseconds patience() const override { return 10s; }

  private:
    Gate& gate_;
    int count_ = 0;
};

struct World {
    World() {
        Router router;
        router.add(Method::get, "/hello", Runs::here, [](const Request& request) {
            return text_response(200, "text/plain", "hello " + request.remote_address);
        });
        router.add(Method::get, "/slow", Runs::in_offload, [](const Request&) {
            return text_response(200, "text/plain", "slow");
        });
        router.add(Method::post, "/echo", Runs::here, [](const Request& request) {
            return text_response(200, "text/plain", request.body);
        });
        router.add(Method::get, "/held", Runs::here, [this](const Request&) {
            return std::shared_ptr<Held>(std::make_shared<TestHeld>(gate, 10s));
        });
        router.add(Method::get, "/held-briefly", Runs::here, [this](const Request&) {
            return std::shared_ptr<Held>(std::make_shared<TestHeld>(gate, 50ms));
        });
        router.add(Method::get, "/throws", Runs::in_offload, [](const Request&) -> Reply {
            throw std::runtime_error("a bug");
        });
        router.add(Method::get, "/large", Runs::here, [this](const Request&) {
            Response response;
            response.bytes = large;
            response.sent = [this] { ++delivered; };
            return response;
        });
        router.add(Method::get, "/stream", Runs::here, [this](const Request&) {
            Response response = text_response(200, "text/plain", {});
            response.stream = std::make_shared<Counting>(gate);
            return response;
        });
        service.emplace(runtime,
                        offload,
                        log,
                        clock,
                        Config{{"127.0.0.1"}, 0, folder.file("control.sock")},
                        std::move(router));
        REQUIRE(service->start());
    }
    ~World() {
        service->stop();
        service.reset();
        offload.stop();
        runtime.stop();
    }
    [[nodiscard]] std::uint16_t port() const { return service->port(); }

    test::TemporaryFolder folder;
    NullLog log;
    SystemClock clock;
    Gate gate;
    const ByteVector large = ByteVector(8 << 20, 'x');
    std::atomic<int> delivered{0};
    net::Runtime runtime{2};
    net::Offload offload;
    std::optional<Service> service;
};

void wait_for(const std::function<bool()>& done) {
    const auto give_up = std::chrono::steady_clock::now() + 60s;
    while (!done()) {
        REQUIRE(std::chrono::steady_clock::now() < give_up);
        std::this_thread::sleep_for(2ms);
    }
}

} // namespace

TEST_CASE("HTTP: many requests on one connection, here and in the pool", "[http][service]") {
    World world;
    HttpClient client(world.port());
    for (int i = 0; i < 100; ++i) {
        CHECK_THAT(client.get("/hello"),
                   Contains("HTTP/1.1 200 OK") && Contains("hello 127.0.0.1"));
        CHECK_THAT(client.get("/slow"), Contains("\r\n\r\nslow"));
    }
    CHECK_THAT(client.ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"),
               Contains("\r\n\r\nbody"));
    CHECK_THAT(client.get("/throws"), Contains("500 Internal Server Error"));
    CHECK_THAT(client.get("/hello"), Contains("200 OK"));
}

TEST_CASE("HTTP: requests in a row without waiting are answered in order", "[http][service]") {
    World world;
    HttpClient client(world.port());
    client.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: "
                "x\r\nConnection: close\r\n\r\n");
    const std::string answers = client.read_to_end();
    CHECK(answers.find("slow") < answers.find("hello"));
    CHECK(client.closed());
}

TEST_CASE("HTTP: a HEAD has the length and no body; a range has its part", "[http][service]") {
    World world;
    HttpClient client(world.port());
    client.send("HEAD /large HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string head = client.read_until("\r\n\r\n");
    CHECK_THAT(head, Contains("Content-Length: 8388608") && Contains("Accept-Ranges: bytes"));
    CHECK(head.ends_with("\r\n\r\n"));
    CHECK_THAT(client.ask("GET /large HTTP/1.1\r\nHost: x\r\nRange: bytes=5-9\r\n\r\n"),
               Contains("206 Partial Content") && Contains("\r\n\r\nxxxxx"));
    CHECK(world.delivered == 0);
}

TEST_CASE("HTTP: a large body arrives whole at a slow reader, and then counts as delivered",
          "[http][service]") {
    World world;
    HttpClient client(world.port());
    client.send("GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    std::this_thread::sleep_for(50ms);
    const std::string answer = client.read_to_end();
    CHECK(answer.size() == answer.find("\r\n\r\n") + 4 + world.large.size());
    wait_for([&] { return world.delivered == 1; });
}

TEST_CASE("HTTP: a held request is answered when it is released, or in time", "[http][service]") {
    World world;
    HttpClient client(world.port());
    client.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_for([&] { return world.gate.waiting == 1; });
    world.gate.open();
    CHECK_THAT(client.read_until("at last"), Contains("200 OK"));
    CHECK_THAT(client.get("/held-briefly"), Contains("at last"));
    CHECK_THAT(client.get("/hello"), Contains("200 OK"));
}

TEST_CASE("HTTP: a peer that goes while it is held is let go of at once", "[http][service]") {
    World world;
    {
        HttpClient client(world.port());
        client.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
        wait_for([&] { return world.gate.waiting == 1; });
    }
    wait_for([&] { return world.gate.gone == 1; });
    CHECK(world.gate.finished == 0);
    world.gate.open(); // nobody is there any more
}

TEST_CASE("HTTP: a request behind a held one waits for its turn", "[http][service]") {
    World world;
    HttpClient client(world.port());
    client.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_for([&] { return world.gate.waiting == 1; });
    std::this_thread::sleep_for(50ms);
    CHECK(world.gate.finished == 0);
    world.gate.open();
    CHECK_THAT(client.read_until("hello"), Contains("at last"));
}

TEST_CASE("HTTP: a stream comes in chunks and ends", "[http][service]") {
    World world;
    HttpClient client(world.port());
    client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_THAT(client.read_until("0\r\n\r\n"),
               Contains("Transfer-Encoding: chunked") &&
                   Contains("7\r\nline 1\n\r\n7\r\nline 2\n\r\n7\r\nline 3\n\r\n0\r\n\r\n"));
    CHECK_THAT(client.get("/hello"), Contains("200 OK"));
    HttpClient old(world.port());
    old.send("GET /stream HTTP/1.0\r\n\r\n");
    CHECK_THAT(old.read_to_end(),
               Contains("\r\n\r\nline 1\nline 2\nline 3\n") && !Contains("chunked"));
}

TEST_CASE("HTTP: what is malformed is told why, and the connection closes", "[http][service]") {
    World world;
    for (const char* bytes :
         {"GARBAGE\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"}) {
        HttpClient client(world.port());
        client.send(bytes);
        CHECK_THAT(client.read_to_end(),
                   Contains("400 Bad Request") && Contains("\"code\":\"invalid\"") &&
                       Contains("Connection: close"));
        CHECK(client.closed());
    }
    HttpClient client(world.port());
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n");
    CHECK_THAT(client.read_to_end(), Contains("413"));
}

TEST_CASE("HTTP: silent and dripping peers cannot crowd out the others", "[http][service]") {
    World world;
    std::vector<std::unique_ptr<HttpClient>> loris;
    for (std::size_t i = 0; i < connections_per_address_max; ++i) {
        loris.push_back(std::make_unique<HttpClient>(world.port()));
        loris.back()->send("GET /hello HTTP/1.1\r\nX: ");
    }
    std::this_thread::sleep_for(100ms);
    HttpClient refused(world.port());
    refused.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(refused.read_to_end().empty()); // its address has as many connections as it may
    CHECK(refused.closed());
    HttpClient local(world.folder.file("control.sock"));
    CHECK_THAT(local.get("/hello"), Contains("200 OK")); // the command line is served all the same
    loris.pop_back();
    wait_for([&] {
        HttpClient next(world.port());
        return next.get("/hello").find("200 OK") != std::string::npos;
    });
}

TEST_CASE("HTTP: a header that drips is cut off after its time", "[http][service][slow]") {
    World world;
    HttpClient client(world.port());
    const auto begun = std::chrono::steady_clock::now();
    std::string answer;
    while (answer.empty() && !client.closed()) {
        client.send("X");
        answer = client.read_until("\r\n\r\n", 1);
        REQUIRE(std::chrono::steady_clock::now() - begun < request_time_max + 10s);
    }
    CHECK_THAT(answer, Contains("408"));
    CHECK(std::chrono::steady_clock::now() - begun > request_time_max - 2s);
}

TEST_CASE(
    "HTTP: the UNIX socket is the owner's alone; a leftover is replaced, a live one respected",
    "[http][service]") {
    World world;
    const std::string path = world.folder.file("control.sock");
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    Service second(
        world.runtime, world.offload, world.log, world.clock, Config{{}, 0, path}, Router());
    const auto started = second.start();
    REQUIRE_FALSE(started);
    CHECK_THAT(started.error().what, Contains("another rootstock server"));
    HttpClient client(path);
    CHECK_THAT(client.get("/hello"), Contains("hello \n") || Contains("hello "));
}

TEST_CASE("HTTP: the stop ends held requests and streams", "[http][service]") {
    World world;
    HttpClient client(world.port());
    client.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_for([&] { return world.gate.waiting == 1; });
    world.service->stop();
    CHECK(client.read_to_end().empty());
    CHECK(client.closed());
    CHECK(world.gate.gone == 1);
    CHECK_FALSE(HttpClient(world.port()).connected());
}
