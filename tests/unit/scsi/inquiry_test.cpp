#include "scsi/inquiry.hpp"

#include "support/catch.hpp"
#include "support/scsi_host.hpp"

#include <algorithm>

using namespace rootstock;
using namespace rootstock::scsi;
using test::CdbBuilder;

namespace {
ByteVector vpd(test::ScsiSession& session, unsigned page) {
    const test::CommandResult result = session.run(CdbBuilder(0x12).byte(1, 1).byte(2, page).u16(3, 1024));
    REQUIRE(result.good());
    REQUIRE(result.data_in.size() >= 4);
    REQUIRE(result.data_in[1] == page);
    REQUIRE(from_bytes<be16>(Bytes(result.data_in).subspan(2)).value() == result.data_in.size() - 4);
    return result.data_in;
}
std::uint32_t u32(const ByteVector& data, std::size_t offset) { return from_bytes<be32>(Bytes(data).subspan(offset)).value(); }
} // namespace

TEST_CASE("INQUIRY: a direct access device of SPC-4 with our names", "[scsi][inquiry]") {
    test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1");
    const ByteVector data = session.run(CdbBuilder(0x12).u16(3, 255)).data_in;
    REQUIRE(data.size() == 96);
    REQUIRE(data[0] == 0x00);
    REQUIRE(data[2] == 0x06);
    REQUIRE((data[3] & 0x0f) == 2);
    REQUIRE(data[4] == 91);
    REQUIRE((data[7] & 0x02) != 0);
    REQUIRE(as_text(Bytes(data).subspan(8, 28)) == "ROOTSTCKVIRTUAL DISK    1   ");
}

TEST_CASE("INQUIRY: cut to the allocation length; a page code without EVPD and unknown pages are refused", "[scsi][inquiry]") {
    test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1");
    for (const unsigned length : {0U, 1U, 5U, 36U}) {
        REQUIRE(session.run(CdbBuilder(0x12).u16(3, length)).data_in.size() == length);
    }
    REQUIRE(session.run(CdbBuilder(0x12).byte(2, 0x80).u16(3, 255)).kcq() == 0x052400);
    REQUIRE(session.run(CdbBuilder(0x12).byte(1, 1).byte(2, 0x81).u16(3, 255)).kcq() == 0x052400);
}

TEST_CASE("VPD 00: ascending, and every listed page is there", "[scsi][inquiry]") {
    test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1");
    const ByteVector list = vpd(session, 0);
    REQUIRE(std::is_sorted(list.begin() + 4, list.end()));
    for (auto page = list.begin() + 4; page != list.end(); ++page) {
        vpd(session, *page);
    }
}

TEST_CASE("VPD 80 and 83: the same name gives the same identity, another name another", "[scsi][inquiry]") {
    test::ScsiSession one(test::make_test_unit(), "iqn.a,i,0x1");
    test::ScsiSession again(test::make_test_unit(), "iqn.b,i,0x1");
    REQUIRE(vpd(one, 0x80) == vpd(again, 0x80));
    REQUIRE(vpd(one, 0x83) == vpd(again, 0x83));
    const Identity a = identity_from_name("machine/a");
    const Identity b = identity_from_name("machine/b");
    REQUIRE(a.serial != b.serial);
    REQUIRE(a.naa != b.naa);
    REQUIRE(a.naa[0] >> 4 == 6);
}

TEST_CASE("VPD 83: NAA and vendor id for the unit; relative port and port group for the port asked", "[scsi][inquiry]") {
    test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1", 7);
    const ByteVector data = vpd(session, 0x83);
    const Identity identity = identity_from_name("test");
    ByteReader in(Bytes(data).subspan(4));
    const auto designator = [&](std::uint8_t protocol_and_code_set, std::uint8_t association_and_type) {
        REQUIRE(in.read<std::uint8_t>() == protocol_and_code_set);
        REQUIRE(in.read<std::uint8_t>() == association_and_type);
        in.skip(1);
        const Bytes value = in.take(in.read<std::uint8_t>());
        return ByteVector(value.begin(), value.end());
    };
    REQUIRE(designator(0x01, 0x03) == ByteVector(identity.naa.begin(), identity.naa.end()));
    REQUIRE(as_text(designator(0x02, 0x01)) == "ROOTSTCK" + identity.serial);
    REQUIRE(designator(0x51, 0x94) == ByteVector{0, 0, 0, 7});
    REQUIRE(designator(0x51, 0x95) == ByteVector{0, 0, 0, 7});
    REQUIRE(in.ok());
    REQUIRE(in.remaining() == 0);
}

TEST_CASE("VPD B0, B1, B2: limits in blocks of 512 and 4096; thin only when discarding gives space back", "[scsi][inquiry]") {
    const std::uint32_t block_size = GENERATE(512U, 4096U);
    test::ScsiSession session(test::make_test_unit(test::test_geometry(16 << 20, block_size)), "iqn.a,i,0x1");
    const ByteVector limits = vpd(session, 0xb0);
    REQUIRE(limits.size() == 64);
    REQUIRE(u32(limits, 8) == (8U << 20U) / block_size);
    REQUIRE(limits[5] == 255);
    REQUIRE(vpd(session, 0xb1)[5] == 1);
    REQUIRE(vpd(session, 0xb2)[5] == 0xe4);
    REQUIRE(vpd(session, 0xb2)[6] == 2);
}

TEST_CASE("no such unit: qualifier 3, the LUNs that are, and LOGICAL UNIT NOT SUPPORTED", "[scsi][inquiry]") {
    const std::vector<std::uint64_t> luns{0, 1, 300};
    const auto run = [&](const ByteVector& cdb) { return no_such_unit({cdb, 0, 0}, luns); };
    REQUIRE(run(CdbBuilder(0x12).u16(3, 36)).data_in.at(0) == 0x7f);
    const ByteVector list = run(CdbBuilder(0xa0).u32(6, 4096)).data_in;
    REQUIRE(list.size() == 8 + 3 * 8);
    REQUIRE(list[17] == 1);
    REQUIRE(list[24] == 0x41); // flat space addressing of 300
    REQUIRE(list[25] == 0x2c);
    REQUIRE(run(CdbBuilder(0x03).byte(4, 255)).data_in.at(12) == 0x25);
    const Response refused = run(CdbBuilder(0x28).u16(7, 1));
    REQUIRE(refused.status == Status::check_condition);
    REQUIRE(refused.sense.at(12) == 0x25);
}
