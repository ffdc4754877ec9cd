#include "core/wire_int.hpp"
#include "scsi/device_server.hpp"
#include "scsi/handlers.hpp"
#include "scsi/inquiry.hpp"

#include <algorithm>

namespace rootstock::scsi {

Outcome data_in(ByteVector data, std::uint64_t allocation_length) {
    Response response;
    response.data_in = std::move(data);
    if (response.data_in.size() > allocation_length) {
        response.data_in.resize(allocation_length);
    }
    return Outcome(boost::system::in_place_value, std::move(response));
}

Outcome with_status(Status status) {
    Response response;
    response.status = status;
    return Outcome(boost::system::in_place_value, std::move(response));
}

Outcome good() { return with_status(Status::good); }

namespace primary {
namespace {

/// Asks for the parameter list, or says that it is there (also when it is empty by the CDB).
std::optional<Outcome> need_list(const Context& c, std::uint32_t length) {
    if (c.data_out || length == 0) {
        return std::nullopt;
    }
    return Outcome(boost::system::in_place_value, NeedDataOut{length});
}

Outcome mode_sense_any(const Context& c, ModeHeader header, std::uint64_t allocation_length) {
    ModeSense request;
    request.control = static_cast<PageControl>(c.cdb[2] >> 6U);
    request.page = c.cdb[2] & 0x3fU;
    request.subpage = c.cdb[3];
    request.no_block_descriptor = c.cdb.bit(1, 3) || c.unit.modes().pages() == ModePageSet::cdrom;
    request.long_lba = header == ModeHeader::ten && c.cdb.bit(1, 4);
    request.write_protected = c.unit.write_protected();
    request.removal_prevented = c.unit.removal_prevented();
    request.block_count = c.unit.block_count();
    request.block_size = c.unit.block_size();
    Result<ByteVector, Sense> data = mode_sense(request, header, c.unit.modes());
    return data ? data_in(std::move(*data), allocation_length) : Outcome(data.error());
}

Outcome mode_select_any(const Context& c, ModeHeader header, std::uint32_t list_length) {
    constexpr unsigned page_format_bit = 4;
    constexpr unsigned save_pages_bit = 0;
    if (!c.cdb.bit(1, page_format_bit)) {
        return invalid_field_in_cdb(1, page_format_bit);
    }
    if (c.cdb.bit(1, save_pages_bit)) { // nothing can be saved (SPC-4 6.9)
        return invalid_field_in_cdb(1, save_pages_bit);
    }
    if (auto need = need_list(c, list_length)) {
        return std::move(*need);
    }
    if (list_length == 0) {
        return good();
    }
    const Result<bool, Sense> changed = mode_select(c.data_out->first(std::min<std::size_t>(list_length, c.data_out->size())), header,
                                                    c.unit.block_size(), c.unit.modes());
    if (!changed) {
        return changed.error();
    }
    if (*changed) {
        c.unit.tell_all(Attention::mode_parameters_changed, &c.nexus);
    }
    return good();
}

/// REPORT SUPPORTED OPERATION CODES: one descriptor of the "all commands" format (SPC-4 table 249).
void append_command_descriptor(ByteWriter& out, const CommandRow& row, bool timeouts) {
    out.byte(row.opcode);
    out.byte(0);
    out.write(be16(row.has_service_action() ? row.service_action : 0));
    out.byte(0);
    out.byte(static_cast<std::uint8_t>((timeouts ? 0x02U : 0U) | (row.has_service_action() ? 0x01U : 0U))); // CTDP, SERVACTV
    out.write(be16(row.length()));
    if (timeouts) {
        out.write(be16(10)); // command timeouts descriptor: none given
        out.fill(10);
    }
}

ByteVector all_commands(const CommandTable& commands, bool timeouts) {
    ByteVector data;
    ByteWriter out(data);
    out.fill(4);
    for (const CommandRow& row : commands.rows()) {
        append_command_descriptor(out, row, timeouts);
    }
    out.patch(0, be32(static_cast<std::uint32_t>(data.size() - 4)));
    return data;
}

/// The "one command" format (SPC-4 table 251).
ByteVector one_command(const CommandRow* row, bool timeouts) {
    constexpr std::uint8_t not_supported = 0x01;
    constexpr std::uint8_t supported = 0x03;
    ByteVector data;
    ByteWriter out(data);
    out.byte(0);
    if (row == nullptr) {
        out.byte(not_supported);
        out.write(be16(0));
        return data;
    }
    out.byte(static_cast<std::uint8_t>(supported | (timeouts ? 0x80U : 0U)));
    out.write(be16(row->length()));
    out.append(Bytes(row->usage_data()).first(row->length()));
    if (timeouts) {
        out.write(be16(10));
        out.fill(10);
    }
    return data;
}

} // namespace

Outcome test_unit_ready(const Context&) { return good(); }

/// SPC-4 6.39: a pending unit attention is the parameter data, and is then told.
Outcome request_sense(const Context& c) {
    Sense sense;
    if (const std::optional<Attention> attention = c.nexus.attentions().take()) {
        sense.key = SenseKey::unit_attention;
        sense.asc = asc_of(*attention);
    }
    const bool descriptor = c.cdb.bit(1, 0);
    return data_in(encode(sense, descriptor ? SenseFormat::descriptor : SenseFormat::fixed), c.cdb[4]);
}

Outcome inquiry(const Context& c) {
    const bool vital = c.cdb.bit(1, 0);
    const std::uint16_t allocation_length = c.cdb.u16(3);
    if (!vital) {
        return c.cdb[2] == 0 ? data_in(standard_inquiry(c.unit.kind(), c.unit.identity()), allocation_length)
                             : Outcome(invalid_field_in_cdb(2));
    }
    Result<ByteVector, Sense> page =
        vital_product_data(c.cdb[2], c.unit.kind(), c.unit.identity(), c.unit.shape(), c.nexus.name().relative_target_port);
    return page ? data_in(std::move(*page), allocation_length) : Outcome(page.error());
}

Outcome mode_sense_6(const Context& c) { return mode_sense_any(c, ModeHeader::six, c.cdb[4]); }
Outcome mode_sense_10(const Context& c) { return mode_sense_any(c, ModeHeader::ten, c.cdb.u16(7)); }
Outcome mode_select_6(const Context& c) { return mode_select_any(c, ModeHeader::six, c.cdb[4]); }
Outcome mode_select_10(const Context& c) { return mode_select_any(c, ModeHeader::ten, c.cdb.u16(7)); }

Outcome reserve_6(const Context& c) { return with_status(c.unit.reserve_unit(c.nexus)); }
Outcome release_6(const Context& c) { return with_status(c.unit.release_unit(c.nexus)); }

ByteVector luns_data(const std::vector<std::uint64_t>& luns, std::uint8_t select_report) {
    constexpr std::uint8_t well_known_only = 0x01;
    ByteVector data;
    ByteWriter out(data);
    out.fill(8);
    if (select_report != well_known_only) { // there are no well known logical units
        for (const std::uint64_t lun : luns) {
            // SAM-5 4.7: one level; peripheral device addressing below 256, flat space addressing above.
            out.write(be16(static_cast<std::uint16_t>(lun < 256 ? lun : 0x4000U | (lun & 0x3fffU))));
            out.fill(6);
        }
    }
    out.patch(0, be32(static_cast<std::uint32_t>(data.size() - 8)));
    return data;
}

Outcome report_luns(const Context& c) {
    constexpr std::uint8_t last_known_select_report = 0x02;
    if (c.cdb[2] > last_known_select_report) {
        return invalid_field_in_cdb(2);
    }
    c.nexus.attentions().clear(Attention::reported_luns_changed);
    return data_in(luns_data(c.nexus.all_luns(), c.cdb[2]), c.cdb.u32(6));
}

/// SPC-4 6.37: one group, active and optimized, with the port that the question came through.
Outcome report_target_port_groups(const Context& c) {
    constexpr std::uint8_t extended_header = 0x20; // PARAMETER DATA FORMAT 001b
    const std::uint8_t format = c.cdb[1] & 0xe0U;
    if (format > extended_header) {
        return invalid_field_in_cdb(1, 7);
    }
    const be16 port(c.nexus.name().relative_target_port);
    ByteVector data;
    ByteWriter out(data);
    out.fill(4);
    if (format == extended_header) {
        out.byte(0x10);
        out.byte(0); // IMPLICIT TRANSITION TIME
        out.fill(2);
    }
    out.byte(0x00); // ASYMMETRIC ACCESS STATE: active/optimized
    out.byte(0x01); // AO_SUP
    out.write(port); // the target port group has the number of its only port
    out.fill(2);
    out.byte(0);
    out.byte(1); // TARGET PORT COUNT
    out.fill(2);
    out.write(port);
    out.patch(0, be32(static_cast<std::uint32_t>(data.size() - 4)));
    return data_in(std::move(data), c.cdb.u32(6));
}

/// SPC-4 6.35.
Outcome report_supported_operation_codes(const Context& c) {
    enum class Options : std::uint8_t { all = 0, opcode = 1, opcode_and_service_action = 2, either = 3 };
    const bool timeouts = c.cdb.bit(2, 7);
    const std::uint8_t opcode = c.cdb[3];
    const std::uint16_t service_action = c.cdb.u16(4);
    const CommandTable& commands = *c.unit.kind().commands;
    const bool has_actions = commands.has_service_actions(opcode);
    const auto with_action = [&]() -> const CommandRow* {
        return service_action > 0x1f ? nullptr : commands.find(opcode, static_cast<std::uint8_t>(service_action));
    };
    const auto without_action = [&] { return commands.find(opcode, CommandRow::no_service_action); };
    const CommandRow* row = nullptr;
    switch (static_cast<Options>(c.cdb[2] & 0x07U)) {
    case Options::all: return data_in(all_commands(commands, timeouts), c.cdb.u32(6));
    case Options::opcode:
        if (has_actions) {
            return invalid_field_in_cdb(2, 2);
        }
        row = without_action();
        break;
    case Options::opcode_and_service_action:
        if (!has_actions) {
            return invalid_field_in_cdb(2, 2);
        }
        row = with_action();
        break;
    case Options::either: row = has_actions ? with_action() : (service_action == 0 ? without_action() : nullptr); break;
    default: return invalid_field_in_cdb(2, 2);
    }
    return data_in(one_command(row, timeouts), c.cdb.u32(6));
}

/// SPC-4 6.36.
Outcome report_supported_task_management_functions(const Context& c) {
    constexpr std::uint8_t ats_atss_ctss_lurs_trs = 0x80 | 0x40 | 0x10 | 0x08 | 0x02;
    const bool extended = c.cdb.bit(2, 7); // REPD
    ByteVector data(extended ? 16 : 4);
    data[0] = ats_atss_ctss_lurs_trs;
    data[3] = extended ? 12 : 0;
    return data_in(std::move(data), c.cdb.u32(6));
}

} // namespace primary
} // namespace rootstock::scsi
