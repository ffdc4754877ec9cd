#include "support/catch.hpp"
#include "support/fuzz.hpp"
#include "support/golden.hpp"
#include "tftp/limits.hpp"
#include "tftp/transfer.hpp"

using namespace rootstock;
using namespace rootstock::tftp;
using rootstock::test::golden;

namespace {

rootstock::test::Corpus captured() {
    rootstock::test::Corpus corpus;
    for (const char* name : {"edk2-size-probe", "edk2-size-probe-abort", "edk2-read-request", "edk2-ack-of-oack", "ipxe-read-request", "ipxe-ack"}) {
        corpus.push_back(golden(std::string("tftp/") + name + ".hex"));
    }
    return corpus;
}

} // namespace

TEST_CASE("Fuzz: requests, and the options that are made of them", "[fuzz][tftp]") {
    rootstock::test::fuzz(captured(), 100'000, [](Bytes input) {
        const auto packet = decode(input);
        if (!packet || !std::holds_alternative<Request>(*packet)) {
            return;
        }
        const auto options = negotiate(std::get<Request>(*packet).options, 123'456);
        REQUIRE(options.block_size >= block_size_minimum);
        REQUIRE(options.block_size <= block_size_maximum);
        REQUIRE(options.window_size >= 1);
        REQUIRE(options.window_size <= window_size_maximum);
        REQUIRE(options.accepted.size() <= 4);
    });
}

TEST_CASE("Fuzz: a transfer under a stream of anything never sends more than its window", "[fuzz][tftp]") {
    const ByteVector bytes(20'000, 7);
    const OptionList options{{"blksize", "100"}, {"windowsize", "4"}};
    TimePoint now{};
    auto transfer = std::make_unique<Transfer>(now, File{bytes, nullptr}, negotiate(options, bytes.size()));
    rootstock::test::fuzz(captured(), 100'000, [&](Bytes input) {
        now += std::chrono::milliseconds(20);
        transfer->handle_input(now, input);
        transfer->handle_timeout(now);
        int sent = 0;
        while (const auto packet = transfer->poll_output()) {
            REQUIRE(packet->body.size() <= 100);
            ++sent;
        }
        REQUIRE(sent <= 4);
        if (transfer->is_over()) {
            transfer = std::make_unique<Transfer>(now, File{bytes, nullptr}, negotiate(options, bytes.size()));
        }
    });
}
