// Sequences of CDBs and parameter lists from three sessions against one unit. Whatever they say: an answer that is consistent with itself,
// and I/O only within the medium.
#include "scsi/command_table.hpp"
#include "scsi/copy_job.hpp"
#include "scsi/limits.hpp"

#include "support/catch.hpp"
#include "support/fuzz.hpp"
#include "support/scsi_host.hpp"

using namespace rootstock;
using namespace rootstock::scsi;

namespace {

constexpr std::uint64_t unit_size = 1 << 20;
constexpr std::size_t session_count = 3;

/// One command of an input: which session, the CDB, a length, and that many bytes of data-out.
void append_command(ByteVector& input, std::uint8_t session, const CdbBytes& cdb, Bytes data) {
    ByteWriter out(input);
    out.byte(session);
    out.append(cdb);
    out.write(be16(static_cast<std::uint16_t>(data.size())));
    out.append(data);
}

CdbBytes cdb_of(const CommandRow& row) {
    CdbBytes cdb{};
    cdb[0] = row.opcode;
    cdb[1] = row.has_service_action() ? row.service_action : 0;
    return cdb;
}

/// A length or allocation length in every place where a command of this size may have one.
CdbBytes with_length(CdbBytes cdb, std::uint8_t length) {
    switch (cdb_length_of(cdb[0])) {
    case 6: cdb[4] = length; break;
    case 10: cdb[8] = length; break;
    case 12: cdb[9] = length; break;
    default: cdb[13] = length; break;
    }
    return cdb;
}

/// EXTENDED COPY with a good list: one descriptor of this unit, one segment by it and one by the unit's own ID; then its status.
ByteVector copy_input() {
    const Identity identity = identity_from_name("test");
    ByteVector list;
    ByteWriter out(list);
    const ByteVector header{1, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0, 56, 0, 0, 0, 0, 0xe4, 0, 0, 0, 1, 3, 0, 16};
    out.append(header);
    out.append(identity.naa);
    const ByteVector first{0, 0, 0, 0, 0, 0, 2, 0, 2, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0, 16};
    out.append(first);
    out.write(be64(3));
    out.write(be64(9));
    const ByteVector second{2, 0, 0, 24, 0xff, 0xff, 0xff, 0xff, 0, 0, 4, 0};
    out.append(second);
    out.write(be64(700));
    out.write(be64(900));
    ByteVector input;
    append_command(input, 1, with_length({0x83}, static_cast<std::uint8_t>(list.size())), list);
    append_command(input, 1, with_length({0x84, 0x00, 1}, 64), {});
    append_command(input, 1, with_length({0x84, 0x04, 1}, 64), {});
    return input;
}

test::Corpus corpus(std::span<const CommandRow> rows) {
    test::Corpus result;
    ByteVector everything;
    for (const CommandRow& row : rows) {
        ByteVector data(row.opcode == 0x5f ? 24 : 64);
        data[15] = 7; // a service action key, and an address in UNMAP
        data[3] = 16;
        ByteVector input;
        append_command(input, 0, with_length(cdb_of(row), static_cast<std::uint8_t>(data.size())), data);
        append_command(input, 1, with_length(cdb_of(row), 2), ByteVector(1024, 0x5a));
        append_command(everything, row.opcode, with_length(cdb_of(row), static_cast<std::uint8_t>(data.size())), data);
        result.push_back(std::move(input));
    }
    result.push_back(std::move(everything));
    result.push_back(copy_input());
    ByteVector tray; // held, not ejected, given free, ejected, loaded by another
    for (const CdbBytes& cdb : {CdbBytes{0x1e, 0, 0, 0, 1}, CdbBytes{0x1b, 0, 0, 0, 2}, CdbBytes{0x1e}, CdbBytes{0x1b, 0, 0, 0, 2}, CdbBytes{0x28}}) {
        append_command(tray, 0, cdb, {});
    }
    append_command(tray, 1, CdbBytes{0x1b, 0, 0, 0, 3}, {});
    result.push_back(std::move(tray));
    return result;
}

void check_copy(const CopyJob& job) {
    REQUIRE(job.segments().size() <= limits::copy_segments);
    for (const CopySegment& segment : job.segments()) {
        REQUIRE(segment.length <= limits::copy_segment_bytes);
        REQUIRE(segment.length <= unit_size);
        REQUIRE(segment.source <= unit_size - segment.length);
        REQUIRE(segment.destination <= unit_size - segment.length);
    }
}

void check_io(const BlockIo& io) {
    REQUIRE((io.op == BlockIo::Op::copy) == (io.copy_job != nullptr));
    if (io.copy_job) {
        check_copy(*io.copy_job);
    }
    REQUIRE(io.offset <= unit_size);
    REQUIRE(io.length <= unit_size - io.offset);
    REQUIRE(io.data.size() <= 2 * limits::transfer_bytes);
    REQUIRE(io.ranges.size() <= limits::unmap_descriptors);
    for (const BlockIo::Range& range : io.ranges) {
        REQUIRE(range.offset <= unit_size);
        REQUIRE(range.length <= unit_size - range.offset);
    }
}

void check_response(const Response& response) {
    REQUIRE((response.status == Status::check_condition) == !response.sense.empty());
    REQUIRE((response.sense.empty() || response.sense.size() >= 8));
    REQUIRE(response.sense.size() <= 252);
    REQUIRE((response.status == Status::good || response.data_in.empty()));
    REQUIRE(response.data_in.size() <= 64 * 1024);
}

/// Like test::run_command, and looks at every step.
void run_checked(LogicalUnit& unit, Nexus& nexus, Bytes cdb, Bytes data_out) {
    const Command command{cdb, 0, static_cast<std::uint32_t>(data_out.size())};
    Step step = unit.execute(nexus, command);
    if (const auto* need = std::get_if<NeedDataOut>(&step)) {
        REQUIRE(need->length > 0);
        REQUIRE(need->length <= 2 * limits::transfer_bytes);
        step = unit.execute_with_data(nexus, command, data_out.first(std::min<std::size_t>(need->length, data_out.size())));
        REQUIRE_FALSE(std::holds_alternative<NeedDataOut>(step));
    }
    if (const auto* io = std::get_if<BlockIo>(&step)) {
        check_io(*io);
        IoResult result;
        if (io->op != BlockIo::Op::read && io->op != BlockIo::Op::write) {
            result = unit.perform(*io);
        }
        step = unit.complete(nexus, command, *io, result);
    }
    check_response(std::get<Response>(step));
}

void run_input(const std::shared_ptr<LogicalUnit>& unit, Bytes input) {
    std::array<std::shared_ptr<Nexus>, session_count> sessions;
    for (std::size_t i = 0; i < session_count; ++i) {
        sessions[i] = unit->attach("iqn." + std::to_string(i) + ",i,0x000000000001", 1, {0}, i == 0);
    }
    ByteReader in(input);
    while (in.remaining() > 0) {
        Nexus& nexus = *sessions[in.read<std::uint8_t>() % session_count];
        const Bytes cdb = in.take(std::min<std::size_t>(max_cdb_length, in.remaining()));
        const std::size_t wanted = in.read<be16>().value();
        const Bytes data = in.take(std::min(wanted, in.remaining()));
        run_checked(*unit, nexus, cdb, data);
    }
}

} // namespace

TEST_CASE("fuzz: any sequence of CDBs and parameter lists", "[scsi][fuzz]") {
    test::fuzz(corpus(disk_commands().rows()), 60'000, [](Bytes input) { run_input(test::make_test_unit(test::test_geometry(unit_size)), input); });
}

TEST_CASE("fuzz: any sequence of CDBs to a CD drive", "[scsi][fuzz]") {
    test::fuzz(corpus(cdrom_commands().rows()), 30'000, [](Bytes input) {
        run_input(make_cdrom_unit(std::make_shared<block::MemoryDevice>(test::test_geometry(unit_size)), identity_from_name("test")), input);
    });
}
