#include "ndp/advertisement.hpp"
#include "support/catch.hpp"
#include "support/fuzz.hpp"
#include "support/golden.hpp"

using namespace rootstock;
using namespace rootstock::ndp;
using rootstock::test::golden;

TEST_CASE("Fuzz: router solicitations", "[fuzz][ndp]") {
    const rootstock::test::Corpus corpus{golden("ndp/ipxe-router-solicitation.hex"), golden("ndp/router-advertisement-by-dnsmasq.hex")};
    rootstock::test::fuzz(corpus, 100'000, [](Bytes input) {
        const auto solicitation = decode_solicitation(input, Ipv6{}, 255);
        REQUIRE_FALSE((solicitation && solicitation->source_mac)); // the source has no address
        static_cast<void>(decode_solicitation(input, all_nodes, 255));
    });
}
