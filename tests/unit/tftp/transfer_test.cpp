#include "tftp/transfer.hpp"

#include "core/wire_int.hpp"
#include "support/catch.hpp"
#include "tftp/admission.hpp"
#include "tftp/limits.hpp"

#include <numeric>

using namespace rootstock;
using namespace rootstock::tftp;
using namespace std::chrono_literals;

namespace {

ByteVector contents(std::size_t size) {
    ByteVector bytes(size);
    std::iota(bytes.begin(), bytes.end(), std::uint8_t{1});
    return bytes;
}

/// A transfer at a time that the test moves; sees blocks by number.
struct Bench {
    ByteVector bytes;
    TimePoint now{1h};
    Transfer transfer;

    Bench(std::size_t size, const OptionList& options)
        : bytes(contents(size)), transfer(now, File{bytes, nullptr}, negotiate(options, size)) {}

    std::vector<std::uint16_t> blocks() {
        std::vector<std::uint16_t> numbers;
        while (const auto packet = transfer.poll_output()) {
            numbers.push_back(packet->head_size == 4 ? from_bytes<be16>(Bytes(packet->head).subspan(2)).value() : std::uint16_t{0xffff});
        }
        return numbers;
    }
    void ack(std::uint16_t block) {
        const std::array<std::uint8_t, 4> packet{0, 4, static_cast<std::uint8_t>(block >> 8U), static_cast<std::uint8_t>(block)};
        transfer.handle_input(now, packet);
    }
    void error() {
        const std::array<std::uint8_t, 5> packet{0, 5, 0, 8, 0};
        transfer.handle_input(now, packet);
    }
    void pass_timeout() {
        now = *transfer.next_timeout();
        transfer.handle_timeout(now);
    }
};

constexpr std::uint16_t oack = 0xffff;
using Blocks = std::vector<std::uint16_t>;
const OptionList window_of_4{{"windowsize", "4"}};

} // namespace

TEST_CASE("Without options the first block answers the request", "[tftp][transfer]") {
    Bench bench(1000, {});
    CHECK(bench.blocks() == Blocks{1});
    CHECK(bench.blocks().empty());
    bench.ack(1);
    const auto last = bench.transfer.poll_output();
    REQUIRE(last);
    CHECK(last->body.size() == 1000 - 512);
    bench.ack(2);
    CHECK(bench.transfer.state() == Transfer::State::completed);
    CHECK_FALSE(bench.transfer.next_timeout());
}

TEST_CASE("A file of whole blocks ends with an empty one", "[tftp][transfer]") {
    const auto size = GENERATE(std::size_t{0}, std::size_t{512});
    Bench bench(size, {});
    for (std::uint16_t block = 1; block <= size / 512; ++block) {
        CHECK(bench.transfer.poll_output()->body.size() == 512);
        bench.ack(block);
    }
    const auto last = bench.transfer.poll_output();
    REQUIRE(last);
    CHECK(last->body.empty());
}

TEST_CASE("With options ACK 0 opens the transfer; a window goes out at once", "[tftp][transfer]") {
    Bench bench(10'000, window_of_4);
    CHECK(bench.blocks() == Blocks{oack});
    bench.ack(0);
    CHECK(bench.blocks() == Blocks{1, 2, 3, 4});
    bench.ack(4);
    CHECK(bench.blocks() == Blocks{5, 6, 7, 8});
}

TEST_CASE("RFC 7440: an ACK within the window restarts behind it", "[tftp][transfer]") {
    Bench bench(10'000, window_of_4);
    bench.blocks();
    bench.ack(0);
    bench.blocks();
    bench.ack(2);
    CHECK(bench.blocks() == Blocks{3, 4, 5, 6});
}

TEST_CASE("Sorcerer's Apprentice: a repeated ACK causes no DATA", "[tftp][transfer]") {
    Bench bench(10'000, {});
    bench.blocks();
    bench.ack(1);
    CHECK(bench.blocks() == Blocks{2});
    bench.ack(1);
    bench.ack(1);
    CHECK(bench.blocks().empty());
    bench.ack(2);
    CHECK(bench.blocks() == Blocks{3});
}

TEST_CASE("An ACK for what was never sent is ignored", "[tftp][transfer]") {
    Bench bench(10'000, window_of_4);
    bench.blocks();
    bench.ack(3); // while the OACK waits for ACK 0
    CHECK(bench.blocks().empty());
    bench.ack(0);
    bench.blocks();
    bench.ack(5);
    bench.ack(60'000);
    CHECK(bench.blocks().empty());
    CHECK(bench.transfer.state() == Transfer::State::sending);
}

TEST_CASE("Silence: repeated with doubled pauses, then given up", "[tftp][transfer]") {
    Bench bench(10'000, window_of_4);
    bench.blocks();
    bench.ack(0);
    CHECK(bench.blocks() == Blocks{1, 2, 3, 4});
    std::vector<Duration> pauses;
    while (!bench.transfer.is_over()) {
        const TimePoint before = bench.now;
        bench.pass_timeout();
        pauses.push_back(bench.now - before);
        if (!bench.transfer.is_over()) {
            CHECK(bench.blocks() == Blocks{1, 2, 3, 4});
        }
    }
    CHECK(bench.transfer.state() == Transfer::State::timed_out);
    CHECK(pauses == std::vector<Duration>{200ms, 400ms, 800ms, 1600ms, 3200ms, 6400ms, 8000ms});
}

TEST_CASE("The OACK is repeated as well, with the client's own timeout when it names one", "[tftp][transfer]") {
    Bench bench(10'000, {{"timeout", "3"}});
    bench.blocks();
    const TimePoint before = bench.now;
    bench.pass_timeout();
    CHECK(bench.now - before == 3s);
    CHECK(bench.blocks() == Blocks{oack});
    bench.pass_timeout();
    CHECK(bench.now - before == 6s);
}

TEST_CASE("A timer that is asked too early does nothing", "[tftp][transfer]") {
    Bench bench(10'000, {});
    bench.blocks();
    bench.transfer.handle_timeout(bench.now + 1ms);
    CHECK(bench.blocks().empty());
}

TEST_CASE("Block numbers roll over from 65535 to 0", "[tftp][transfer]") {
    Bench bench(8 * 70'000, {{"blksize", "8"}, {"windowsize", "64"}});
    bench.blocks();
    bench.ack(0);
    std::uint64_t expected = 1;
    while (!bench.transfer.is_over()) {
        const auto blocks = bench.blocks();
        REQUIRE_FALSE(blocks.empty());
        for (const auto block : blocks) {
            REQUIRE(block == (expected++ & 0xffff));
        }
        bench.ack(blocks.back());
    }
    CHECK(expected == 70'002);
    CHECK(bench.transfer.state() == Transfer::State::completed);
}

TEST_CASE("EDK2 ends its size probe with an ERROR: that is no failure", "[tftp][transfer]") {
    Bench bench(10'000, {{"tsize", "0"}});
    bench.blocks();
    bench.error();
    CHECK(bench.transfer.state() == Transfer::State::aborted);
    CHECK(bench.transfer.statistics().size_probe);
}

TEST_CASE("An ERROR later is one", "[tftp][transfer]") {
    Bench bench(10'000, {});
    bench.blocks();
    bench.error();
    CHECK(bench.transfer.state() == Transfer::State::aborted);
    CHECK_FALSE(bench.transfer.statistics().size_probe);
    CHECK(bench.blocks().empty());
}

TEST_CASE("Admission: repeated requests are known, and both bounds hold", "[tftp][admission]") {
    Admission admission;
    const Ipv4 client{1};
    CHECK(admission.enter(client, 1000) == Admission::Answer::admitted);
    CHECK(admission.enter(client, 1000) == Admission::Answer::repeated);
    for (std::uint16_t port = 1; port < transfers_per_client_limit; ++port) {
        CHECK(admission.enter(client, port) == Admission::Answer::admitted);
    }
    CHECK(admission.enter(client, 2000) == Admission::Answer::client_limit);
    admission.leave(client, 1000);
    CHECK(admission.enter(client, 2000) == Admission::Answer::admitted);
    for (std::uint32_t other = 2; admission.count() < transfers_limit; ++other) {
        CHECK(admission.enter(Ipv4{other}, 1) == Admission::Answer::admitted);
    }
    CHECK(admission.enter(Ipv4{0xffff}, 1) == Admission::Answer::total_limit);
}
