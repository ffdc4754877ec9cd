#include "support/catch.hpp"
#include "support/scsi_host.hpp"

using namespace rootstock;
using namespace rootstock::scsi;
using test::CdbBuilder;

namespace {

constexpr std::uint32_t no_medium = 0x023a02;
constexpr std::uint32_t prevented = 0x055302;
constexpr std::uint32_t medium_may_have_changed = 0x062800;

/// An image of 1000 blocks of 2048 bytes and a rest of 512, which cannot be read.
std::shared_ptr<block::MemoryDevice> image(std::uint64_t blocks = 1000) {
    return std::make_shared<block::MemoryDevice>(test::test_geometry(blocks * 2048 + 512));
}
std::shared_ptr<LogicalUnit> drive(std::uint64_t blocks = 1000) { return make_cdrom_unit(image(blocks), identity_from_name("cd")); }

const ByteVector ready = CdbBuilder(0x00);
const ByteVector eject = CdbBuilder(0x1b).byte(4, 0x02);
const ByteVector load = CdbBuilder(0x1b).byte(4, 0x03);
const ByteVector prevent = CdbBuilder(0x1e).byte(4, 1);
const ByteVector allow = CdbBuilder(0x1e);
const ByteVector media_event = CdbBuilder(0x4a).byte(1, 1).byte(4, 0x10).u16(7, 64);

} // namespace

TEST_CASE("CD-ROM: INQUIRY says a removable CD drive, with the pages it has", "[scsi][cdrom]") {
    test::ScsiSession session(drive(), "iqn.a,i,0x1");
    const ByteVector data = session.run(CdbBuilder(0x12).u16(3, 96)).data_in;
    REQUIRE(data.at(0) == 0x05);
    REQUIRE(data.at(1) == 0x80);
    REQUIRE((data.at(5) & 0x08) == 0); // no third-party copy
    REQUIRE(as_text(Bytes(data).subspan(16, 16)) == "VIRTUAL CD-ROM  ");
    const ByteVector pages = session.run(CdbBuilder(0x12).byte(1, 1).u16(3, 64)).data_in;
    REQUIRE(pages == ByteVector{0x05, 0, 0, 3, 0x00, 0x80, 0x83});
    REQUIRE(session.run(CdbBuilder(0x12).byte(1, 1).byte(2, 0xb0).u16(3, 64)).kcq() == 0x052400);
}

TEST_CASE("CD-ROM: blocks of 2048 bytes, the last whole one included", "[scsi][cdrom]") {
    auto device = image();
    const ByteVector text(2048, 'x');
    REQUIRE(device->write(std::uint64_t{999} * 2048, text, false));
    test::ScsiSession session(make_cdrom_unit(device, identity_from_name("cd")), "iqn.a,i,0x1");
    REQUIRE(session.run(CdbBuilder(0x25)).data_in == ByteVector{0, 0, 0x03, 0xe7, 0, 0, 0x08, 0});
    REQUIRE(session.run(CdbBuilder(0x28).u32(2, 999).u16(7, 1)).data_in == text);
    REQUIRE(session.run(CdbBuilder(0xa8).u32(2, 999).u32(6, 1)).data_in == text);
    REQUIRE(session.run(CdbBuilder(0x08).byte(2, 0x03).byte(3, 0xe7).byte(4, 1)).data_in == text);
    REQUIRE(session.run(CdbBuilder(0x28).u32(2, 1000).u16(7, 1)).kcq() == 0x052100);
}

TEST_CASE("CD-ROM: nothing writes, and SYNCHRONIZE CACHE has nothing to do", "[scsi][cdrom]") {
    test::ScsiSession session(drive(), "iqn.a,i,0x1");
    for (const unsigned opcode : {0x0aU, 0x2aU, 0xaaU, 0x8aU, 0x41U, 0x93U, 0x42U, 0x83U, 0x89U}) {
        INFO("opcode " << opcode);
        REQUIRE(session.run(CdbBuilder(static_cast<std::uint8_t>(opcode)), ByteVector(2048)).kcq() == 0x052000);
    }
    REQUIRE(session.run(CdbBuilder(0x35)).good());
}

TEST_CASE("READ TOC: one data track and the lead-out, as addresses and as times", "[scsi][cdrom]") {
    test::ScsiSession session(drive(), "iqn.a,i,0x1");
    const ByteVector track{0, 0x14, 1, 0, 0, 0, 0, 0};
    const ByteVector lead_out{0, 0x14, 0xaa, 0, 0, 0, 0x03, 0xe8};
    ByteVector both{0, 18, 1, 1};
    both.insert(both.end(), track.begin(), track.end());
    both.insert(both.end(), lead_out.begin(), lead_out.end());
    REQUIRE(session.run(CdbBuilder(0x43).u16(7, 64)).data_in == both);
    REQUIRE(session.run(CdbBuilder(0x43).byte(6, 1).u16(7, 64)).data_in == both);
    REQUIRE(session.run(CdbBuilder(0x43).u16(7, 4)).data_in == ByteVector{0, 18, 1, 1});
    // 1000 frames and the two seconds before them: 15 s and 25 frames.
    REQUIRE(session.run(CdbBuilder(0x43).byte(1, 2).byte(6, 0xaa).u16(7, 64)).data_in == ByteVector{0, 10, 1, 1, 0, 0x14, 0xaa, 0, 0, 0, 15, 25});
    REQUIRE(session.run(CdbBuilder(0x43).byte(6, 2).u16(7, 64)).kcq() == 0x052400);
}

TEST_CASE("READ TOC: the last session, asked for by the format or by the bits of ATAPI; other formats are refused", "[scsi][cdrom]") {
    test::ScsiSession session(drive(), "iqn.a,i,0x1");
    const ByteVector sessions{0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0};
    REQUIRE(session.run(CdbBuilder(0x43).byte(2, 1).u16(7, 64)).data_in == sessions);
    REQUIRE(session.run(CdbBuilder(0x43).byte(9, 0x40).u16(7, 64)).data_in == sessions);
    REQUIRE(session.run(CdbBuilder(0x43).byte(2, 2).u16(7, 64)).kcq() == 0x052400);
    REQUIRE(session.run(CdbBuilder(0x43).byte(9, 0x80).u16(7, 64)).kcq() == 0x052400);
}

TEST_CASE("GET CONFIGURATION: a CD, a DVD from 80 minutes on, or nothing", "[scsi][cdrom]") {
    constexpr std::uint64_t eighty_minutes = 80 * 60 * 75;
    const auto profile = [](test::ScsiSession& session) {
        const ByteVector data = session.run(CdbBuilder(0x46).u16(7, 512)).data_in;
        REQUIRE(from_bytes<be32>(data).value() == data.size() - 4);
        return from_bytes<be16>(Bytes(data).subspan(6)).value();
    };
    test::ScsiSession cd(drive(eighty_minutes), "iqn.a,i,0x1");
    test::ScsiSession dvd(drive(eighty_minutes + 1), "iqn.a,i,0x1");
    REQUIRE(profile(cd) == 0x0008);
    REQUIRE(profile(dvd) == 0x0010);
    REQUIRE(cd.run(eject).good());
    REQUIRE(profile(cd) == 0);
}

TEST_CASE("GET CONFIGURATION: all features in order, the current ones, or one", "[scsi][cdrom]") {
    test::ScsiSession session(drive(), "iqn.a,i,0x1");
    const auto codes = [&](unsigned requested, unsigned from) {
        const ByteVector data = session.run(CdbBuilder(0x46).byte(1, requested).u16(2, from).u16(7, 512)).data_in;
        std::vector<unsigned> result;
        ByteReader in(Bytes(data).subspan(8));
        while (in.remaining() > 0) {
            result.push_back(in.read<be16>().value());
            in.skip(1);
            in.skip(in.read<std::uint8_t>());
            REQUIRE(in.ok());
        }
        return result;
    };
    REQUIRE(codes(0, 0) == std::vector<unsigned>{0, 1, 2, 3, 0x10, 0x1e, 0x1f, 0x100, 0x105});
    REQUIRE(codes(1, 0x10) == std::vector<unsigned>{0x10, 0x1e, 0x100, 0x105});
    REQUIRE(codes(2, 0x1e) == std::vector<unsigned>{0x1e});
    REQUIRE(codes(2, 0x55).empty());
    REQUIRE(session.run(CdbBuilder(0x46).byte(1, 3).u16(7, 512)).kcq() == 0x052400);
}

TEST_CASE("CD-ROM: disc, track and mechanism in their standard forms", "[scsi][cdrom]") {
    test::ScsiSession session(drive(), "iqn.a,i,0x1");
    const ByteVector disc = session.run(CdbBuilder(0x51).u16(7, 64)).data_in;
    REQUIRE(disc.size() == 34);
    REQUIRE(Bytes(disc).first(8)[2] == 0x0e);
    const ByteVector track = session.run(CdbBuilder(0x52).byte(1, 1).u32(2, 1).u16(7, 64)).data_in;
    REQUIRE(track.size() == 36);
    REQUIRE(from_bytes<be32>(Bytes(track).subspan(24)).value() == 1000);
    REQUIRE(session.run(CdbBuilder(0x52).byte(1, 1).u32(2, 2).u16(7, 64)).kcq() == 0x052400);
    REQUIRE(session.run(CdbBuilder(0x52).u32(2, 1000).u16(7, 64)).kcq() == 0x052400);
    REQUIRE(session.run(CdbBuilder(0xbd).u16(8, 64)).data_in == ByteVector(8));
}

TEST_CASE("CD-ROM: MODE SENSE has capabilities, no caching page and no block descriptor", "[scsi][cdrom]") {
    test::ScsiSession session(drive(), "iqn.a,i,0x1");
    const ByteVector capabilities = session.run(CdbBuilder(0x5a).byte(2, 0x2a).u16(7, 64)).data_in;
    REQUIRE(capabilities.size() == 8 + 20);
    REQUIRE(capabilities.at(7) == 0); // BLOCK DESCRIPTOR LENGTH
    REQUIRE(capabilities.at(8) == 0x2a);
    REQUIRE(capabilities.at(14) == 0x29);
    REQUIRE(session.run(prevent).good());
    REQUIRE(session.run(CdbBuilder(0x5a).byte(2, 0x2a).u16(7, 64)).data_in.at(14) == 0x2b); // locked
    REQUIRE(session.run(CdbBuilder(0x5a).byte(2, 0x08).u16(7, 64)).kcq() == 0x052400);
    test::ScsiSession disk(test::make_test_unit(), "iqn.a,i,0x1");
    REQUIRE(disk.run(CdbBuilder(0x5a).byte(2, 0x2a).u16(7, 64)).kcq() == 0x052400);
}

TEST_CASE("removable: ejected is not ready, to everybody and for everything on the medium, until it is loaded", "[scsi][removable]") {
    auto unit = GENERATE(false, true) ? drive() : make_removable_disk_unit(image(), identity_from_name("card"));
    test::ScsiSession one(unit, "iqn.a,i,0x1");
    test::ScsiSession other(unit, "iqn.b,i,0x1");
    REQUIRE(one.run(eject).good());
    REQUIRE(one.run(eject).good());
    REQUIRE(one.run(ready).kcq() == no_medium);
    REQUIRE(other.run(CdbBuilder(0x28).u16(7, 1)).kcq() == no_medium);
    REQUIRE(other.run(CdbBuilder(0x25)).kcq() == no_medium);
    REQUIRE(other.run(CdbBuilder(0x12).u16(3, 96)).good());
    REQUIRE(one.run(load).good());
    REQUIRE(one.run(ready).good());
    REQUIRE(other.run(ready).kcq() == medium_may_have_changed);
    REQUIRE(other.run(ready).good());
}

TEST_CASE("removable: each nexus holds the medium for itself; all must let go", "[scsi][removable]") {
    auto unit = drive();
    test::ScsiSession one(unit, "iqn.a,i,0x1");
    test::ScsiSession other(unit, "iqn.b,i,0x1");
    REQUIRE(one.run(prevent).good());
    REQUIRE(one.run(prevent).good());
    REQUIRE(other.run(prevent).good());
    REQUIRE(one.run(eject).kcq() == prevented);
    REQUIRE(one.run(allow).good());
    REQUIRE(one.run(eject).kcq() == prevented);
    REQUIRE(other.run(ready).good());
    REQUIRE(other.run(allow).good());
    REQUIRE(one.run(eject).good());
    REQUIRE(one.run(prevent).good()); // an open tray is held open
    REQUIRE(one.run(load).kcq() == prevented);
}

TEST_CASE("removable: the hold ends with the nexus and with a reset", "[scsi][removable]") {
    auto unit = drive();
    test::ScsiSession one(unit, "iqn.a,i,0x1");
    {
        test::ScsiSession other(unit, "iqn.b,i,0x1");
        REQUIRE(other.run(prevent).good());
        REQUIRE(one.run(eject).kcq() == prevented);
    }
    REQUIRE(one.run(eject).good());
    REQUIRE(one.run(load).good());
    REQUIRE(one.run(prevent).good());
    unit->reset();
    REQUIRE(one.run(ready).kcq() == 0x062903);
    REQUIRE(one.run(eject).good());
}

TEST_CASE("removable: what a session ejected comes back for the others when it ends", "[scsi][removable]") {
    auto unit = drive();
    test::ScsiSession stays(unit, "iqn.a,i,0x1");
    {
        test::ScsiSession leaves(unit, "iqn.b,i,0x1");
        REQUIRE(leaves.run(eject).good());
        REQUIRE(stays.run(ready).kcq() == no_medium);
    }
    REQUIRE(stays.run(ready).kcq() == medium_may_have_changed);
    REQUIRE(stays.run(CdbBuilder(0x28).u16(7, 1)).good());
}

TEST_CASE("GET EVENT STATUS NOTIFICATION: each nexus is told of the medium once, polled only", "[scsi][removable]") {
    auto unit = drive();
    test::ScsiSession one(unit, "iqn.a,i,0x1");
    test::ScsiSession other(unit, "iqn.b,i,0x1");
    REQUIRE(one.run(media_event).data_in == ByteVector{0, 6, 4, 0x10, 0, 2, 0, 0});
    REQUIRE(one.run(eject).good());
    REQUIRE(other.run(media_event).data_in == ByteVector{0, 6, 4, 0x10, 3, 1, 0, 0});
    REQUIRE(other.run(media_event).data_in == ByteVector{0, 6, 4, 0x10, 0, 1, 0, 0});
    REQUIRE(one.run(load).good());
    REQUIRE(other.run(media_event).data_in == ByteVector{0, 6, 4, 0x10, 2, 2, 0, 0}); // though a unit attention is pending
    REQUIRE(one.run(CdbBuilder(0x4a).byte(1, 1).byte(4, 0x02).u16(7, 64)).data_in == ByteVector{0, 2, 0x80, 0x10});
    REQUIRE(one.run(CdbBuilder(0x4a).byte(4, 0x10).u16(7, 64)).kcq() == 0x052400);
}

TEST_CASE("a fixed disk is neither ejected nor held", "[scsi][removable]") {
    test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1");
    REQUIRE(session.run(prevent).good());
    REQUIRE(session.run(eject).good());
    REQUIRE(session.run(ready).good());
}
