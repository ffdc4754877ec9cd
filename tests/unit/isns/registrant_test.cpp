#include "isns/registrant.hpp"

#include "core/wire_int.hpp"
#include "isns/limits.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace rootstock;
using namespace rootstock::isns;
using rootstock::test::golden;
using namespace std::chrono_literals;

namespace {

const std::vector<Portal> portals{{*IpAddress::parse("10.20.0.1"), 3260, 1}};

/// A registrant, and a server that answers what it is asked.
struct Play {
    TimePoint now{1h};
    Registrant registrant{{"rs", portals}};
    std::string told;   // "connect", "register 2", ... in order
    ByteVector last;    // the last request

    void tell(const Input& input) {
        registrant.handle_input(now, input);
        listen();
    }
    void listen() {
        while (const auto output = registrant.poll_output()) {
            told += told.empty() ? "" : ", ";
            std::visit([this](const auto& one) { hear(one); }, *output);
        }
    }
    void hear(const Connect&) { told += "connect"; }
    void hear(const Disconnect&) { told += "disconnect"; }
    void hear(const Registered& one) { told += "registered " + std::to_string(one.targets); }
    void hear(const NotRegistered& one) { told += "failed: " + one.reason; }
    void hear(const Send& one) {
        last = one.bytes;
        told += last[3] == 4 ? "deregister" : (last[6] & 0x10) != 0 ? "replace" : "register";
    }
    void pass(Duration time) {
        now += time;
        registrant.handle_timeout(now);
        listen();
    }
    /// The server's word on the last request.
    void answer(std::uint32_t status = 0, std::uint32_t period = 60) {
        ByteVector bytes;
        ByteWriter out(bytes);
        out.write(be16(1));
        out.append(Bytes(last).subspan(2, 2));
        bytes[2] |= 0x80;
        out.write(be16(16));
        out.write(be16(0x4c00));
        out.append(Bytes(last).subspan(8, 4));
        for (const std::uint32_t number : {status, 6U, 4U, period}) {
            out.write(be32(number));
        }
        tell(Received{bytes});
    }
    std::string since() { return std::exchange(told, {}); }
};

/// One that has registered `targets`.
Play registered(std::vector<std::string> targets = {"iqn.2026-01.t:a"}) {
    Play play;
    play.tell(TargetsChanged{std::move(targets)});
    play.pass(0s);
    play.tell(Connected{});
    play.answer();
    CHECK(play.since() == "connect, replace, disconnect, registered 1");
    return play;
}

} // namespace

TEST_CASE("The first registration replaces what the server knew of us", "[isns]") {
    Play play;
    play.tell(TargetsChanged{{"iqn.2026-01.t:a"}});
    play.pass(0s);
    play.tell(Connected{});
    ByteVector expected = golden("isns/registration.hex");
    expected[9] = 1; // its transaction
    CHECK(play.last == expected);
}

TEST_CASE("Section 6.2.6: half a registration period later the same is said again, quietly", "[isns]") {
    Play play = registered();
    play.pass(29s);
    CHECK(play.since().empty());
    play.pass(1s);
    play.tell(Connected{});
    play.answer();
    CHECK(play.since() == "connect, register, disconnect");
}

TEST_CASE("A period of zero or of a moment does not make us hurry, and a long one not forget", "[isns]") {
    Play play = registered();
    // 0: we are never forgotten; then what was granted before goes on.
    const auto [granted, wait] = GENERATE(std::pair(0U, Duration(30s)), std::pair(1U, Duration(period_min / 2)), std::pair(3600U, Duration(period_wanted / 2)));
    play.pass(30s);
    play.tell(Connected{});
    play.answer(0, granted);
    CHECK(*play.registrant.next_timeout() == play.now + wait);
}

TEST_CASE("Other targets are registered at once, in place of the old ones", "[isns]") {
    Play play = registered();
    play.tell(TargetsChanged{{"iqn.2026-01.t:a", "iqn.2026-01.t:b"}});
    play.pass(0s);
    play.tell(Connected{});
    play.answer();
    CHECK(play.since() == "connect, replace, disconnect, registered 2");

    SECTION("none is a deregistration") {
        play.tell(TargetsChanged{});
        play.pass(0s);
        play.tell(Connected{});
        play.answer();
        CHECK(play.since() == "connect, deregister, disconnect, registered 0");
        CHECK_FALSE(play.registrant.next_timeout());
    }
    SECTION("what changes meanwhile is registered afterwards") {
        play.pass(30s);
        play.tell(Connected{});
        play.tell(TargetsChanged{{"iqn.2026-01.t:c"}});
        play.answer();
        CHECK(play.since() == "connect, register, disconnect");
        play.pass(0s);
        play.tell(Connected{});
        play.answer();
        CHECK(play.since() == "connect, replace, disconnect, registered 1");
    }
}

TEST_CASE("Targets that go while the connection is made leave nothing to say", "[isns]") {
    Play play;
    play.tell(TargetsChanged{{"iqn.2026-01.t:a"}});
    play.pass(0s);
    play.tell(TargetsChanged{});
    play.tell(Connected{});
    CHECK(play.since() == "connect, disconnect");
    CHECK_FALSE(play.registrant.next_timeout());
}

TEST_CASE("A server that fails is told of once, asked ever less, and told all when it is back", "[isns]") {
    Play play = registered();
    play.pass(30s);
    SECTION("no connection") { play.tell(Failed{"connection refused"}); }
    SECTION("it is silent") { play.pass(answer_time); }
    SECTION("no answer") {
        play.tell(Connected{});
        play.pass(answer_time);
    }
    SECTION("it refuses") {
        play.tell(Connected{});
        play.answer(12);
    }
    SECTION("nonsense") {
        play.tell(Connected{});
        play.tell(Received{as_bytes("HTTP/1.1 400 Bad")});
    }
    SECTION("an answer to something else") {
        play.tell(Connected{});
        ++play.last[9];
        play.answer();
    }
    CHECK_THAT(play.since(), Catch::Contains("disconnect, failed: "));
    play.tell(TargetsChanged{{"iqn.2026-01.t:b"}}); // does not hurry us

    for (const std::chrono::seconds wait : {5s, 10s, 20s, 40s, 80s, 160s, 300s, 300s}) {
        play.pass(wait - 1s);
        CHECK(play.since().empty());
        play.pass(1s);
        play.tell(Failed{"connection refused"});
        CHECK(play.since() == "connect, disconnect");
    }
    play.pass(retry_last);
    play.tell(Connected{});
    play.answer();
    CHECK(play.since() == "connect, replace, disconnect, registered 1");
}

TEST_CASE("A list that is too long for one request goes in parts; the first one replaces", "[isns]") {
    std::vector<std::string> targets;
    for (int i = 1000; i < 1400; ++i) {
        targets.push_back("iqn.2026-01.internal.rootstock:machine.lab-" + std::to_string(i));
    }
    Play play;
    play.tell(TargetsChanged{targets});
    play.pass(0s);
    play.tell(Connected{});
    while (!play.told.ends_with("registered 400")) {
        REQUIRE(play.told.size() < 200);
        CHECK(play.last.size() <= request_bytes_max + 512);
        play.answer();
    }
    CHECK(play.since() == "connect, replace, register, register, disconnect, registered 400");
}

TEST_CASE("A stop deregisters and is finished then", "[isns]") {
    Play play = registered();
    if (GENERATE(false, true)) { // amid a registration
        play.pass(30s);
        play.tell(Connected{});
    }
    play.tell(Stop{});
    CHECK_FALSE(play.registrant.finished());
    play.since();
    play.pass(0s);
    play.tell(Connected{});
    CHECK(play.since() == "connect, deregister");
    SECTION("answered") { play.answer(); }
    SECTION("refused") { play.answer(8); }
    SECTION("never answered") { play.pass(farewell_time); }
    CHECK(play.since() == "disconnect");
    CHECK(play.registrant.finished());
}

TEST_CASE("A stop does not wait for a server that fails, nor for one that knows nothing", "[isns]") {
    Play play;
    SECTION("nothing was registered") {}
    SECTION("it fails") {
        play.tell(TargetsChanged{{"iqn.2026-01.t:a"}});
        play.pass(0s);
        play.tell(Failed{"connection refused"});
    }
    play.tell(Stop{});
    CHECK(play.registrant.finished());
}
