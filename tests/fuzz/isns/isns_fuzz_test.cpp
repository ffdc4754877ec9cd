#include "isns/limits.hpp"
#include "isns/registrant.hpp"
#include "support/catch.hpp"
#include "support/fuzz.hpp"
#include "support/golden.hpp"

using namespace rootstock;
using namespace rootstock::isns;
using rootstock::test::golden;
using namespace std::chrono_literals;

TEST_CASE("Fuzz: responses of an iSNS server", "[fuzz][isns]") {
    const rootstock::test::Corpus corpus{golden("isns/response.hex"), golden("isns/response-of-open-isns.hex")};
    rootstock::test::fuzz(corpus, 50'000, [](Bytes input) {
        Registrant registrant({"rs", {{*IpAddress::parse("10.20.0.1"), 3260, 1}}});
        const TimePoint now{1h};
        registrant.handle_input(now, TargetsChanged{{"iqn.2026-01.t:a"}});
        registrant.handle_timeout(now);
        registrant.handle_input(now, Connected{});
        registrant.handle_input(now, Received{input});
        REQUIRE(registrant.next_timeout()); // whatever it was told, it will speak to the server again, and soon
        REQUIRE(*registrant.next_timeout() > now);
        while (registrant.poll_output()) {
        }
    });
}
