#include "scsi/command_table.hpp"

#include "support/catch.hpp"
#include "support/scsi_host.hpp"

using namespace rootstock;
using namespace rootstock::scsi;
using test::CdbBuilder;

namespace {
constexpr std::uint32_t invalid_opcode = 0x052000;
constexpr std::uint32_t invalid_field_in_cdb_kcq = 0x052400;

/// Each kind of unit with its table.
struct Kind {
    const CommandTable& commands;
    std::shared_ptr<LogicalUnit> unit;
};
Kind kind(bool cdrom) {
    if (!cdrom) {
        return {disk_commands(), test::make_test_unit()};
    }
    return {cdrom_commands(), make_cdrom_unit(std::make_shared<block::MemoryDevice>(test::test_geometry()), identity_from_name("cd"))};
}
} // namespace

TEST_CASE("command table: rows are sorted and found again; usage stays within the CDB", "[scsi][table]") {
    const CommandTable& commands = kind(GENERATE(false, true)).commands;
    const CommandRow* before = nullptr;
    for (const CommandRow& row : commands.rows()) {
        INFO(row.name);
        REQUIRE((row.length() == 6 || row.length() == 10 || row.length() == 12 || row.length() == 16));
        REQUIRE(commands.find(row.opcode, row.service_action) == &row);
        REQUIRE(row.handler != nullptr);
        for (std::size_t i = row.length() - 1U; i < max_cdb_length; ++i) { // CONTROL, whose top bits are the vendor's, and what lies behind
            REQUIRE((row.usage[i] & 0x3f) == 0);
        }
        if (before != nullptr) {
            REQUIRE(std::pair(before->opcode, before->service_action) < std::pair(row.opcode, row.service_action));
        }
        before = &row;
    }
}

TEST_CASE("command table: every bit outside the usage map is INVALID FIELD IN CDB with a pointer to it", "[scsi][table]") {
    const Kind tested = kind(GENERATE(false, true));
    test::ScsiSession session(tested.unit, "iqn.a,i,0x1");
    for (const CommandRow& row : tested.commands.rows()) {
        const CdbBytes usage = row.usage_data();
        for (std::uint8_t byte = 1; byte < row.length(); ++byte) {
            for (std::uint8_t bit = 0; bit < 8; ++bit) {
                if ((unsigned{row.usage[byte]} >> bit & 1U) != 0) {
                    continue;
                }
                ByteVector cdb(16);
                cdb[0] = row.opcode;
                cdb[1] = row.has_service_action() ? row.service_action : 0;
                cdb[byte] = static_cast<std::uint8_t>(cdb[byte] | (1U << bit));
                const test::CommandResult result = session.run(cdb, ByteVector(64 * 1024));
                INFO(row.name << " byte " << int(byte) << " bit " << int(bit));
                REQUIRE(result.kcq() == invalid_field_in_cdb_kcq);
                REQUIRE(result.sense[15] == (0xc8U | bit));
                REQUIRE(result.sense[17] == byte);
            }
        }
        REQUIRE(usage[0] == row.opcode);
    }
}

TEST_CASE("command table: unknown operation codes and service actions are told apart", "[scsi][table]") {
    const Kind tested = kind(GENERATE(false, true));
    test::ScsiSession session(tested.unit, "iqn.a,i,0x1");
    for (unsigned opcode = 0; opcode < 256; ++opcode) {
        const auto wire = static_cast<std::uint8_t>(opcode);
        if (tested.commands.has_service_actions(wire) || tested.commands.find(wire, CommandRow::no_service_action) != nullptr) {
            continue;
        }
        INFO("opcode " << opcode);
        REQUIRE(session.run(CdbBuilder(static_cast<std::uint8_t>(opcode))).kcq() == invalid_opcode);
    }
    REQUIRE(session.run(CdbBuilder(0x83).byte(1, 0x1f)).kcq() == (tested.commands.has_service_actions(0x83) ? invalid_field_in_cdb_kcq : invalid_opcode));
    REQUIRE(session.run(CdbBuilder(0xa3).byte(1, 0x00)).kcq() == invalid_field_in_cdb_kcq);
    REQUIRE(session.run(CdbBuilder(0x5e).byte(1, 0x04)).kcq() == invalid_field_in_cdb_kcq);
}

TEST_CASE("REPORT SUPPORTED OPERATION CODES: all commands are the rows of the table", "[scsi][table]") {
    const Kind tested = kind(GENERATE(false, true));
    test::ScsiSession session(tested.unit, "iqn.a,i,0x1");
    const test::CommandResult result = session.run(CdbBuilder(0xa3).byte(1, 0x0c).u32(6, 65536));
    REQUIRE(result.good());
    ByteReader in(result.data_in);
    REQUIRE(in.read<be32>().value() == result.data_in.size() - 4);
    for (const CommandRow& row : tested.commands.rows()) {
        INFO(row.name);
        REQUIRE(in.read<std::uint8_t>() == row.opcode);
        in.skip(1);
        REQUIRE(in.read<be16>().value() == (row.has_service_action() ? row.service_action : 0));
        in.skip(1);
        REQUIRE((in.read<std::uint8_t>() & 1U) == (row.has_service_action() ? 1U : 0U));
        REQUIRE(in.read<be16>().value() == row.length());
    }
    REQUIRE(in.ok());
    REQUIRE(in.remaining() == 0);
}

TEST_CASE("REPORT SUPPORTED OPERATION CODES: one command, by every reporting option", "[scsi][table]") {
    struct Row {
        unsigned options;
        std::uint8_t opcode;
        unsigned service_action;
        int support; // -1: INVALID FIELD IN CDB
    };
    const Row row = GENERATE(values<Row>({
        {1, 0x28, 0, 3},
        {1, 0x9e, 0, -1}, // has service actions
        {1, 0x27, 0, 1},
        {2, 0x9e, 0x10, 3},
        {2, 0x9e, 0x11, 1},
        {2, 0x9e, 0x110, 1},
        {2, 0x28, 0, -1}, // has none
        {3, 0x28, 0, 3},
        {3, 0x28, 1, 1},
        {3, 0x9e, 0x12, 3},
        {4, 0x28, 0, -1},
    }));
    const bool timeouts = GENERATE(false, true);
    test::ScsiSession session(test::make_test_unit(), "iqn.a,i,0x1");
    const test::CommandResult result = session.run(CdbBuilder(0xa3)
                                                       .byte(1, 0x0c)
                                                       .byte(2, row.options | (timeouts ? 0x80U : 0U))
                                                       .byte(3, row.opcode)
                                                       .u16(4, row.service_action)
                                                       .u32(6, 512));
    if (row.support < 0) {
        REQUIRE(result.kcq() == invalid_field_in_cdb_kcq);
        return;
    }
    REQUIRE(result.good());
    REQUIRE((result.data_in[1] & 7) == row.support);
    if (row.support == 3) {
        const std::size_t length = result.data_in[3];
        REQUIRE(length == cdb_length_of(row.opcode));
        REQUIRE(result.data_in[4] == row.opcode);
        REQUIRE((result.data_in[1] & 0x80) == (timeouts ? 0x80 : 0));
        REQUIRE(result.data_in.size() == 4 + length + (timeouts ? 12 : 0));
    }
}
