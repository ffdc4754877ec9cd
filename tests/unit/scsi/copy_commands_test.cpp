#include "scsi/copy_job.hpp"
#include "scsi/limits.hpp"

#include "support/catch.hpp"
#include "support/scsi_host.hpp"

#include <algorithm>
#include <numeric>

using namespace rootstock;
using namespace rootstock::scsi;
using test::CdbBuilder;

namespace {

constexpr std::uint32_t blocks = (16U << 20U) / 512;
constexpr std::uint32_t list_length_error = 0x051a00;
constexpr std::uint32_t invalid_field_in_list = 0x052600;

/// A list as an initiator writes it (SPC-4 tables 140, 150 and 163); tests spoil single bytes of it.
class CopyListBuilder {
  public:
    CopyListBuilder& usage(unsigned value) {
        usage_ = static_cast<std::uint8_t>(value << 3U);
        return *this;
    }
    CopyListBuilder& id(std::uint8_t value) {
        id_ = value;
        return *this;
    }
    CopyListBuilder& cscd(const Identity& identity) {
        ByteVector bytes(32);
        bytes[0] = 0xe4;
        bytes[4] = 1;
        bytes[5] = 3;
        bytes[7] = 16;
        std::copy(identity.naa.begin(), identity.naa.end(), bytes.begin() + 8);
        bytes[30] = 2; // DISK BLOCK LENGTH 512
        cscds_.insert(cscds_.end(), bytes.begin(), bytes.end());
        return *this;
    }
    CopyListBuilder& segment(std::uint16_t count, std::uint64_t from, std::uint64_t to, std::uint16_t source = 0, std::uint16_t destination = 0) {
        ByteWriter out(segments_);
        out.write(be16(0x0200));
        out.write(be16(0x18));
        out.write(be16(source));
        out.write(be16(destination));
        out.fill(2);
        out.write(be16(count));
        out.write(be64(from));
        out.write(be64(to));
        return *this;
    }
    operator ByteVector() const { // NOLINT: as CdbBuilder
        ByteVector list;
        ByteWriter out(list);
        out.byte(id_);
        out.byte(usage_);
        out.write(be16(static_cast<std::uint16_t>(cscds_.size())));
        out.fill(4);
        out.write(be32(static_cast<std::uint32_t>(segments_.size())));
        out.fill(4);
        out.append(cscds_);
        out.append(segments_);
        return list;
    }

  private:
    std::uint8_t id_ = 1;
    std::uint8_t usage_ = 0;
    ByteVector cscds_;
    ByteVector segments_;
};

const Identity own = identity_from_name("test");

CopyListBuilder one_segment(std::uint16_t count, std::uint64_t from, std::uint64_t to) { return CopyListBuilder().cscd(own).segment(count, from, to); }

test::CommandResult copy(test::ScsiSession& session, const ByteVector& list) {
    return session.run(CdbBuilder(0x83).u32(10, static_cast<std::uint32_t>(list.size())), list);
}
test::CommandResult receive(test::ScsiSession& session, unsigned service_action, unsigned list_identifier, std::uint32_t length = 1024) {
    return session.run(CdbBuilder(0x84).byte(1, service_action).byte(2, list_identifier).u32(10, length));
}

/// Blocks that all differ: each begins with its number.
void number_blocks(test::ScsiSession& session, std::uint32_t first, std::uint16_t count) {
    ByteVector data(std::size_t{count} * 512);
    for (std::uint16_t i = 0; i < count; ++i) {
        const be32 number(first + i + 1);
        std::memcpy(data.data() + std::size_t{i} * 512, &number, sizeof number);
    }
    REQUIRE(session.run(CdbBuilder(0x2a).u32(2, first).u16(7, count), data).good());
}
std::vector<std::uint32_t> numbers(test::ScsiSession& session, std::uint32_t first, std::uint16_t count) {
    const ByteVector data = session.run(CdbBuilder(0x28).u32(2, first).u16(7, count)).data_in;
    std::vector<std::uint32_t> result;
    for (std::size_t i = 0; i < data.size(); i += 512) {
        result.push_back(from_bytes<be32>(Bytes(data).subspan(i)).value());
    }
    return result;
}
std::vector<std::uint32_t> ascending(std::size_t count, std::uint32_t from) {
    std::vector<std::uint32_t> result(count);
    std::iota(result.begin(), result.end(), from);
    return result;
}

} // namespace

TEST_CASE("EXTENDED COPY: blocks, segment by segment, also by the unit's own CSCD ID", "[scsi][copy]") {
    test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1");
    number_blocks(session, 0, 100);
    const ByteVector list = CopyListBuilder().cscd(own).segment(100, 0, 1000).segment(10, 1000, 2000).segment(0, 0, blocks).segment(5, 1, 3000, 0xffff, 0xffff);
    REQUIRE(copy(session, list).good());
    REQUIRE(numbers(session, 1000, 100) == ascending(100, 1));
    REQUIRE(numbers(session, 2000, 11).at(9) == 10);
    REQUIRE(numbers(session, 2000, 11).at(10) == 0);
    REQUIRE(numbers(session, 3000, 5) == ascending(5, 2));
}

TEST_CASE("EXTENDED COPY: onto itself in part, in either direction, over more than one piece", "[scsi][copy]") {
    const bool forwards = GENERATE(false, true);
    constexpr std::uint16_t count = 5000; // 2.5 MiB
    test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1");
    const std::uint32_t from = forwards ? 0 : 700;
    const std::uint32_t to = forwards ? 700 : 0;
    number_blocks(session, from, count);
    REQUIRE(copy(session, one_segment(count, from, to)).good());
    REQUIRE(numbers(session, to, count) == ascending(count, from + 1));
}

TEST_CASE("EXTENDED COPY: what was never written stays unallocated", "[scsi][copy]") {
    test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1");
    number_blocks(session, 8192, 2048);
    REQUIRE(copy(session, one_segment(2048, 0, 8192)).good());
    REQUIRE(numbers(session, 8192, 2048) == std::vector<std::uint32_t>(2048));
    const ByteVector status = session.run(CdbBuilder(0x9e).byte(1, 0x12).u64(2, 8192).u32(10, 24)).data_in;
    REQUIRE(status.at(20) == 1); // deallocated
}

TEST_CASE("EXTENDED COPY: no list is nothing to do; a list that is cut anywhere is refused", "[scsi][copy]") {
    test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1");
    REQUIRE(session.run(CdbBuilder(0x83)).good());
    const ByteVector whole = one_segment(8, 0, 100);
    for (std::size_t length = 1; length < whole.size(); ++length) {
        INFO("length " << length);
        REQUIRE(copy(session, ByteVector(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length))).kcq() == list_length_error);
    }
    REQUIRE(session.run(CdbBuilder(0x83).u32(10, static_cast<std::uint32_t>(whole.size())), Bytes(whole).first(60)).kcq() == list_length_error);
    REQUIRE(session.run(CdbBuilder(0x83).u32(10, 0xffffffff), whole).kcq() == list_length_error);
    REQUIRE(copy(session, whole).good());
}

TEST_CASE("EXTENDED COPY: one byte of the list is wrong", "[scsi][copy]") {
    struct Row {
        std::size_t offset;
        std::uint8_t value;
        std::uint32_t kcq;
        int field; // -1: not told
    };
    const Row row = GENERATE(values<Row>({
        {1, 0x40, invalid_field_in_list, 1},  // reserved
        {1, 0x08, invalid_field_in_list, 1},  // LIST ID USAGE 01b
        {1, 0x18, invalid_field_in_list, 0},  // 11b wants identifier 0
        {3, 31, invalid_field_in_list, 2},    // CSCD list: not whole descriptors
        {2, 0x40, list_length_error, 2},      // too long
        {8, 0xff, list_length_error, 2},      // segment list too long
        {15, 1, 0x05260b, 12},                // inline data
        {16, 0xe0, 0x052607, 16},             // CSCD type
        {23, 21, invalid_field_in_list, 23},  // designator length
        {17, 0x05, 0x0a0d03, 17},             // a CD
        {20, 2, 0x0a0d02, 52},                // code set
        {21, 0x13, 0x0a0d02, 52},             // association: port
        {23, 15, 0x0a0d02, 52},               // a shorter designator
        {24, 0, 0x0a0d02, 52},                // another designator
        {46, 16, 0x0a2600, 45},               // block length 4096
        {48, 0x0b, 0x052609, 48},             // segment type
        {51, 0x17, invalid_field_in_list, 50},
        {53, 1, 0x0a0000, 52},                // source index
        {54, 8, 0x0a0000, 54},                // destination index
        {58, 0x81, 0x0a2600, 58},             // longer than a segment may be
        {63, 1, 0x0a0000, 60},                // source beyond the end
        {68, 0x80, 0x0a0000, 68},             // destination beyond the end
    }));
    test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1");
    ByteVector list = one_segment(8, 0, 100);
    list.at(row.offset) = row.value;
    const test::CommandResult result = copy(session, list);
    INFO("byte " << row.offset << " = " << int(row.value));
    REQUIRE(result.kcq() == row.kcq);
    REQUIRE((result.sense.at(15) & 0xc0) == 0x80); // SKSV, in the parameter list
    REQUIRE(from_bytes<be16>(Bytes(result.sense).subspan(16)).value() == row.field);
}

TEST_CASE("EXTENDED COPY: the number of the segment is told, and none is copied", "[scsi][copy]") {
    test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1");
    number_blocks(session, 0, 1);
    const ByteVector list = CopyListBuilder().cscd(own).segment(1, 0, 10).segment(1, 0, 11).segment(1, 0, blocks);
    const test::CommandResult result = copy(session, list);
    REQUIRE(result.kcq() == 0x0a0000);
    REQUIRE(from_bytes<be32>(Bytes(result.sense).subspan(8)).value() == 2);
    REQUIRE(numbers(session, 10, 2) == std::vector<std::uint32_t>(2));
}

TEST_CASE("EXTENDED COPY: more descriptors than we said", "[scsi][copy]") {
    test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1");
    const auto build = [](std::size_t cscds, std::size_t segments) {
        CopyListBuilder list;
        for (std::size_t i = 0; i < cscds; ++i) {
            list.cscd(own);
        }
        for (std::size_t i = 0; i < segments; ++i) {
            list.segment(1, 0, 10 + i);
        }
        return ByteVector(list);
    };
    REQUIRE(copy(session, build(limits::copy_cscds, limits::copy_segments)).good());
    REQUIRE(copy(session, build(limits::copy_cscds + 1, 1)).kcq() == 0x052606);
    REQUIRE(copy(session, build(1, limits::copy_segments + 1)).kcq() == 0x052608);
    REQUIRE(copy(session, build(limits::copy_cscds + 1, limits::copy_segments)).kcq() == list_length_error);
}

TEST_CASE("RECEIVE COPY OPERATING PARAMETERS and VPD page 8F: the same numbers", "[scsi][copy]") {
    test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1");
    const ByteVector parameters = receive(session, 3, 0).data_in;
    REQUIRE(parameters.size() == 46);
    REQUIRE(from_bytes<be32>(parameters).value() == 42);
    const Bytes numbers_in_parameters = Bytes(parameters).subspan(8, 8); // CSCDs, segments, list length
    REQUIRE(parameters.at(37) == 9);
    REQUIRE(Bytes(parameters).subspan(43)[0] == 2);
    const ByteVector page = session.run(CdbBuilder(0x12).byte(1, 1).byte(2, 0x8f).u16(3, 512)).data_in;
    std::vector<unsigned> types;
    ByteReader in(Bytes(page).subspan(4));
    while (in.remaining() > 0) {
        types.push_back(in.read<be16>().value());
        const std::uint16_t length = in.read<be16>().value();
        REQUIRE(length % 4 == 0);
        const Bytes body = in.take(length);
        REQUIRE(in.ok());
        if (types.back() == 0x0004) {
            REQUIRE(std::ranges::equal(body.subspan(4, 8), numbers_in_parameters));
        } else if (types.back() == 0x8001) {
            REQUIRE(std::ranges::equal(body.subspan(8, 4), Bytes(parameters).subspan(16, 4)));
            REQUIRE(body[12] == 9);
        }
    }
    REQUIRE(types == std::vector<unsigned>{0x0001, 0x0004, 0x0008, 0x000c, 0x8001});
    REQUIRE((session.run(CdbBuilder(0x12).u16(3, 96)).data_in.at(5) & 0x08) != 0); // 3PC
}

TEST_CASE("RECEIVE COPY STATUS: of this nexus, once, and not of a copy without an identifier", "[scsi][copy]") {
    auto unit = test::make_test_unit();
    test::ScsiSession session(unit, "iqn.a,i,0x1");
    test::ScsiSession other(unit, "iqn.b,i,0x1");
    REQUIRE(receive(session, 0, 7).kcq() == 0x052400);
    REQUIRE(copy(session, CopyListBuilder().id(7).cscd(own).segment(8, 0, 100).segment(4, 0, 200)).good());
    REQUIRE(receive(other, 0, 7).kcq() == 0x052400);
    REQUIRE(receive(session, 0, 7).data_in == ByteVector{0, 0, 0, 8, 0x01, 0, 2, 0, 0, 0, 0x18, 0});
    REQUIRE(receive(session, 0, 7).kcq() == 0x052400);
    REQUIRE(copy(session, CopyListBuilder().id(0).usage(3).cscd(own).segment(8, 0, 100)).good());
    REQUIRE(receive(session, 0, 0).kcq() == 0x052400);
}

TEST_CASE("RECEIVE COPY FAILURE DETAILS: nothing of a good copy; forgotten at a reset", "[scsi][copy]") {
    auto unit = test::make_test_unit();
    test::ScsiSession session(unit, "iqn.a,i,0x1");
    REQUIRE(receive(session, 4, 1).kcq() == 0x052400);
    REQUIRE(copy(session, one_segment(8, 0, 100)).good());
    REQUIRE(receive(session, 4, 1).data_in == ByteVector(4));
    REQUIRE(copy(session, one_segment(8, 0, 100)).good());
    unit->reset();
    session.run(CdbBuilder(0x00));
    REQUIRE(receive(session, 4, 1).kcq() == 0x052400);
    REQUIRE(receive(session, 0, 1).kcq() == 0x052400);
}

namespace {
/// Fails, or is reset, at the n-th read.
class FailingDevice final : public block::BlockDevice {
  public:
    [[nodiscard]] block::Geometry geometry() const override { return test::test_geometry(); }
    block::TryRead try_read(std::uint64_t, std::size_t, bool, block::ReadSink&) override { return {}; }
    Result<void, block::IoError> read(std::uint64_t, MutableBytes) override {
        if (reads++ == fails_at && on_failure) {
            on_failure();
        }
        return reads > fails_at ? error : Result<void, block::IoError>{};
    }
    block::TryWrite try_write(std::uint64_t, Bytes) override { return {}; }
    Result<void, block::IoError> write(std::uint64_t, Bytes, bool) override { return {}; }
    Result<void, block::IoError> flush() override { return {}; }
    Result<void, block::IoError> discard(std::uint64_t, std::uint64_t) override { return {}; }

    int fails_at = 1000;
    int reads = 0;
    Result<void, block::IoError> error{};
    std::function<void()> on_failure;
};
} // namespace

TEST_CASE("EXTENDED COPY: the medium fails in the second segment", "[scsi][copy]") {
    auto device = std::make_shared<FailingDevice>();
    device->fails_at = 1;
    device->error = block::IoError::medium;
    test::ScsiSession session(make_disk_unit(device, own), "iqn.a,i,0x1");
    const test::CommandResult result = copy(session, CopyListBuilder().cscd(own).segment(8, 0, 100).segment(8, 0, 200));
    REQUIRE(result.kcq() == 0x0a0c00);
    REQUIRE(from_bytes<be32>(Bytes(result.sense).subspan(8)).value() == 1);
    REQUIRE(receive(session, 0, 1).data_in == ByteVector{0, 0, 0, 8, 0x02, 0, 1, 0, 0, 0, 0x10, 0});
    const ByteVector details = receive(session, 4, 1).data_in;
    REQUIRE(details.size() == 60 + result.sense.size());
    REQUIRE(details.at(56) == 0x02);
    REQUIRE(std::ranges::equal(Bytes(details).subspan(60), result.sense));
    REQUIRE(receive(session, 4, 1).kcq() == 0x052400); // told once
    device->error = block::IoError::no_space;
    REQUIRE(copy(session, one_segment(8, 0, 100)).kcq() == 0x072707);
}

TEST_CASE("EXTENDED COPY: LOGICAL UNIT RESET ends it before its next piece", "[scsi][copy]") {
    auto device = std::make_shared<FailingDevice>();
    auto unit = make_disk_unit(device, own);
    test::ScsiSession session(unit, "iqn.a,i,0x1");
    device->fails_at = 1;
    device->on_failure = [&] { unit->reset(); };
    copy(session, one_segment(16384, 0, 16384)); // eight pieces
    REQUIRE(device->reads == 2);
}

TEST_CASE("EXTENDED COPY: an identifier that is in use is refused, and asked about it is in progress", "[scsi][copy]") {
    auto device = std::make_shared<FailingDevice>();
    auto unit = make_disk_unit(device, own);
    test::ScsiSession session(unit, "iqn.a,i,0x1");
    device->fails_at = 0;
    std::vector<test::CommandResult> meanwhile;
    device->on_failure = [&] {
        meanwhile.push_back(receive(session, 0, 1));
        meanwhile.push_back(receive(session, 4, 1));
        meanwhile.push_back(copy(session, one_segment(8, 0, 100)));
        meanwhile.push_back(copy(session, CopyListBuilder().id(2).cscd(own).segment(8, 0, 100)));
    };
    REQUIRE(copy(session, one_segment(8, 0, 100)).good());
    REQUIRE(meanwhile.at(0).data_in.at(4) == 0x00);
    REQUIRE(meanwhile.at(1).kcq() == 0x052400);
    REQUIRE(meanwhile.at(2).kcq() == 0x050016);
    REQUIRE(meanwhile.at(3).good());
}

TEST_CASE("EXTENDED COPY: copies at a time and copies remembered are bounded", "[scsi][copy]") {
    auto unit = test::make_test_unit();
    const auto nexus = unit->attach("iqn.a,i,0x1", 1, {0}, false);
    const auto start = [&](std::uint8_t id) {
        const ByteVector list = CopyListBuilder().id(id).cscd(own).segment(8, 0, 100);
        const ByteVector cdb = CdbBuilder(0x83).u32(10, static_cast<std::uint32_t>(list.size()));
        return unit->execute_with_data(*nexus, {cdb, 0, static_cast<std::uint32_t>(list.size())}, list);
    };
    std::vector<BlockIo> running;
    for (std::uint8_t id = 0; id < limits::concurrent_copies; ++id) {
        running.push_back(std::get<BlockIo>(start(id)));
    }
    REQUIRE(std::get<Response>(start(100)).status == Status::busy);
    for (const BlockIo& io : running) {
        REQUIRE_FALSE(unit->perform(io).error);
    }
    const auto known = [&](std::uint8_t id) {
        const ByteVector cdb = CdbBuilder(0x84).byte(2, id).u32(10, 64);
        return std::get<Response>(unit->execute(*nexus, {cdb, 64, 0})).status == Status::good;
    };
    for (std::uint8_t id = 0; id < limits::kept_copies; ++id) {
        REQUIRE_FALSE(unit->perform(std::get<BlockIo>(start(static_cast<std::uint8_t>(100 + id)))).error);
    }
    REQUIRE_FALSE(known(0));
    REQUIRE(known(100));
}

TEST_CASE("EXTENDED COPY: conflicts like a write", "[scsi][copy]") {
    auto unit = test::make_test_unit();
    test::ScsiSession holder(unit, "iqn.a,i,0x1");
    test::ScsiSession other(unit, "iqn.b,i,0x1");
    REQUIRE(holder.run(CdbBuilder(0x16)).good());
    REQUIRE(copy(other, one_segment(8, 0, 100)).status == Status::reservation_conflict);
    REQUIRE(copy(holder, one_segment(8, 0, 100)).good());
}
