#include "scsi/mode_pages.hpp"

#include "support/catch.hpp"
#include "support/scsi_host.hpp"

using namespace rootstock;
using namespace rootstock::scsi;
using test::CdbBuilder;

namespace {
CdbBuilder sense_6(unsigned page, unsigned control = 0, bool no_descriptor = true) {
    return CdbBuilder(0x1a).byte(1, no_descriptor ? 8 : 0).byte(2, control << 6U | page).byte(4, 255);
}
ByteVector control_page(unsigned flags2, unsigned flags4) {
    ByteVector list(4 + 12);
    list[4] = 0x0a;
    list[5] = 10;
    list[6] = static_cast<std::uint8_t>(flags2);
    list[7] = 0x10;
    list[8] = static_cast<std::uint8_t>(flags4);
    list[12] = list[13] = 0xff;
    return list;
}
CdbBuilder select_6(unsigned length) { return CdbBuilder(0x15).byte(1, 0x10).byte(4, length); }
} // namespace

TEST_CASE("MODE SENSE: WCE is set, DPOFUA is set, and not write protected", "[scsi][mode]") {
    test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1");
    const ByteVector data = session.run(sense_6(0x08)).data_in;
    REQUIRE(data.size() == 4 + 20);
    REQUIRE(data[0] == data.size() - 1);
    REQUIRE(data[2] == 0x10);
    REQUIRE(data[3] == 0);
    REQUIRE(data[4] == 0x08);
    REQUIRE((data[6] & 0x04) != 0);
}

TEST_CASE("MODE SENSE: 3F returns all pages, in both lengths, with the block descriptor unless DBD", "[scsi][mode]") {
    test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1");
    const ByteVector six = session.run(sense_6(0x3f, 0, false)).data_in;
    REQUIRE(six.size() == 4 + 8 + 12 + 20 + 12);
    REQUIRE(six[3] == 8);
    REQUIRE(ByteVector(six.begin() + 4, six.begin() + 12) == ByteVector{0, 0, 0x80, 0, 0, 0, 2, 0}); // 32768 blocks of 512
    const ByteVector ten = session.run(CdbBuilder(0x5a).byte(1, 0x10).byte(2, 0x3f).u16(7, 255)).data_in;
    REQUIRE(ten.size() == 8 + 16 + 12 + 20 + 12);
    REQUIRE(from_bytes<be16>(ten).value() == ten.size() - 2);
    REQUIRE(ten[4] == 1); // LONGLBA
    REQUIRE(ByteVector(ten.begin() + 24, ten.end()) == ByteVector(six.begin() + 12, six.end()));
}

TEST_CASE("MODE SENSE: saved values and unknown pages are refused", "[scsi][mode]") {
    test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1");
    REQUIRE(session.run(sense_6(0x08, 3)).kcq() == 0x053900);
    REQUIRE(session.run(sense_6(0x1d)).kcq() == 0x052400);
    REQUIRE(session.run(sense_6(0x08).byte(3, 1)).kcq() == 0x052400);
}

TEST_CASE("MODE SENSE: a read-only unit says write protected", "[scsi][mode]") {
    block::Geometry geometry = test::test_geometry();
    geometry.read_only = true;
    test::ScsiSession session(test::make_test_unit(geometry), "iqn.a,i,0x1");
    REQUIRE((session.run(sense_6(0x3f)).data_in.at(2) & 0x80) != 0);
    REQUIRE(session.run(CdbBuilder(0x2a).u16(7, 1), ByteVector(512)).kcq() == 0x072700);
    REQUIRE(session.run(CdbBuilder(0x28).u16(7, 1)).good());
}

TEST_CASE("MODE SELECT: D_SENSE changes the sense format, and other nexuses are told", "[scsi][mode]") {
    auto unit = test::make_test_unit();
    test::ScsiSession one(unit, "iqn.a,i,0x1");
    test::ScsiSession other(unit, "iqn.b,i,0x1");
    REQUIRE(one.run(select_6(16), control_page(0x04, 0)).good());
    REQUIRE(one.run(CdbBuilder(0x28).u32(2, 0xffffffff)).sense.at(0) == 0x72);
    REQUIRE(other.run(CdbBuilder(0x00)).kcq() == 0x062a01);
    REQUIRE(other.run(CdbBuilder(0x00)).good());
    REQUIRE(one.run(sense_6(0x0a)).data_in.at(6) == 0x04);
    REQUIRE(one.run(sense_6(0x0a, 2)).data_in.at(6) == 0x00);
    REQUIRE(one.run(select_6(16), control_page(0x04, 0)).good()); // nothing changes: nobody is told
    REQUIRE(other.run(CdbBuilder(0x00)).good());
    unit->reset();
    REQUIRE(one.run(CdbBuilder(0x00)).kcq() == 0x062903);
    REQUIRE(one.run(sense_6(0x0a)).data_in.at(6) == 0x00);
}

TEST_CASE("MODE SELECT: SWP protects the medium until it is cleared", "[scsi][mode]") {
    test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1");
    REQUIRE(session.run(select_6(16), control_page(0, 0x08)).good());
    REQUIRE(session.run(CdbBuilder(0x2a).u16(7, 1), ByteVector(512)).kcq() == 0x072700);
    REQUIRE((session.run(sense_6(0x0a)).data_in.at(2) & 0x80) != 0);
    REQUIRE(session.run(select_6(16), control_page(0, 0)).good());
    REQUIRE(session.run(CdbBuilder(0x2a).u16(7, 1), ByteVector(512)).good());
}

TEST_CASE("MODE SELECT: exactly the bits that MODE SENSE calls changeable may change", "[scsi][mode]") {
    for (const unsigned page : {0x01U, 0x08U, 0x0aU}) {
        test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1");
        const ByteVector current = session.run(sense_6(page)).data_in;
        const ByteVector changeable = session.run(sense_6(page, 1)).data_in;
        for (std::size_t byte = 6; byte < current.size(); ++byte) {
            for (unsigned bit = 0; bit < 8; ++bit) {
                ByteVector list = current;
                list[0] = 0;
                list[2] = 0;
                list[byte] = static_cast<std::uint8_t>(list[byte] ^ (1U << bit));
                const bool allowed = (unsigned{changeable[byte]} >> bit & 1U) != 0;
                INFO("page " << page << " byte " << byte << " bit " << bit);
                REQUIRE(session.run(select_6(static_cast<unsigned>(list.size())), list).good() == allowed);
                list[byte] = current[byte];
                REQUIRE(session.run(select_6(static_cast<unsigned>(list.size())), list).good());
            }
        }
    }
}

TEST_CASE("MODE SELECT: malformed lists change nothing", "[scsi][mode]") {
    struct Row {
        const char* what;
        std::size_t offset;
        std::uint8_t value;
        std::size_t length;
        std::uint32_t kcq;
    };
    const Row row = GENERATE(values<Row>({
        {"shorter than the header", 0, 0, 3, 0x051a00},
        {"page cut off", 0, 0, 15, 0x051a00},
        {"descriptor longer than the list", 3, 200, 16, 0x051a00},
        {"descriptor of a strange size", 3, 4, 16, 0x052600},
        {"unknown page", 4, 0x1d, 16, 0x052600},
        {"wrong page length", 5, 9, 16, 0x052600},
        {"a bit that cannot change", 7, 0x20, 16, 0x052600},
    }));
    INFO(row.what);
    test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1");
    ByteVector list = control_page(0x04, 0);
    list[row.offset] = row.value;
    list.resize(row.length);
    REQUIRE(session.run(select_6(static_cast<unsigned>(row.length)), list).kcq() == row.kcq);
    REQUIRE(session.run(sense_6(0x0a)).data_in.at(6) == 0x00);
    REQUIRE(session.run(CdbBuilder(0x15).byte(1, 0x11).byte(4, 16), control_page(0, 0)).kcq() == 0x052400); // SP
    REQUIRE(session.run(CdbBuilder(0x15).byte(1, 0x00).byte(4, 16), control_page(0, 0)).kcq() == 0x052400); // no PF
}
