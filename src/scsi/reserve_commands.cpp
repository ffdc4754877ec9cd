#include "core/checked.hpp"
#include "core/wire_int.hpp"
#include "scsi/device_server.hpp"
#include "scsi/handlers.hpp"
#include "scsi/transport_id.hpp"

namespace rootstock::scsi::reserve {
namespace {

constexpr std::uint16_t parameter_list_size = 24;

/// PRGENERATION and ADDITIONAL LENGTH, the start of all PERSISTENT RESERVE IN data but the capabilities.
void append_header(ByteWriter& out, const Reservations& reservations) {
    out.write(be32(reservations.state().generation));
    out.fill(4);
}

Outcome finish(const Context& c, ByteVector data) {
    ByteWriter(data).patch(4, be32(static_cast<std::uint32_t>(data.size() - 8)));
    return data_in(std::move(data), c.cdb.u16(7));
}

std::uint8_t scope_and_type(ReservationType type) { return static_cast<std::uint8_t>(type); } // scope 0: logical unit

Result<NexusName, Sense> read_move_target(const Context& c, Bytes list) {
    constexpr std::uint16_t relative_target_port_offset = 18;
    NexusName target;
    target.relative_target_port = from_bytes<be16>(list.subspan(relative_target_port_offset)).value();
    if (!c.unit.has_target_port(target.relative_target_port)) {
        return invalid_field_in_parameter_list(relative_target_port_offset);
    }
    const std::optional<std::string> initiator_port = decode_transport_id(list.subspan(parameter_list_size));
    if (!initiator_port) {
        return invalid_field_in_parameter_list(parameter_list_size);
    }
    target.initiator_port = *initiator_port;
    return target;
}

/// SPC-4 6.16.4: the lists of REGISTER AND MOVE and of everything else have the keys in common.
Result<ReserveOut, Sense> decode_list(const Context& c, ReserveOut request, Bytes list) {
    const bool moves = request.action == ReserveOutAction::register_and_move;
    const std::uint16_t flags_offset = moves ? 17 : 20;
    constexpr std::uint8_t aptpl = 0x01;
    constexpr std::uint8_t unregister = 0x02;
    request.reservation_key = from_bytes<be64>(list).value();
    request.service_action_key = from_bytes<be64>(list.subspan(8)).value();
    const std::uint8_t flags = list[flags_offset];
    const std::uint8_t known = moves ? aptpl | unregister : aptpl; // neither SPEC_I_PT nor ALL_TG_PT: see REPORT CAPABILITIES
    if ((flags & ~known) != 0) {
        return invalid_field_in_parameter_list(flags_offset);
    }
    request.activate_persist_through_power_loss = (flags & aptpl) != 0;
    if (request.activate_persist_through_power_loss && !c.unit.keeps_reservations()) {
        return invalid_field_in_parameter_list(flags_offset, 0);
    }
    if (moves) {
        request.unregister = (flags & unregister) != 0;
        const Result<NexusName, Sense> target = read_move_target(c, list);
        if (!target) {
            return target.error();
        }
        request.move_to = *target;
    }
    return request;
}

bool needs_type(ReserveOutAction action) {
    using enum ReserveOutAction;
    return action == ReserveOutAction::reserve || action == release || action == preempt || action == preempt_and_abort;
}

} // namespace

Outcome read_keys(const Context& c) {
    ByteVector data;
    c.unit.with_reservations([&](const Reservations& reservations) {
        ByteWriter writer(data);
        append_header(writer, reservations);
        for (const Registration& each : reservations.state().registrations) {
            writer.write(be64(each.key));
        }
    });
    return finish(c, std::move(data));
}

Outcome read_reservation(const Context& c) {
    ByteVector data;
    c.unit.with_reservations([&](const Reservations& reservations) {
        ByteWriter writer(data);
        append_header(writer, reservations);
        if (!reservations.held()) {
            return;
        }
        std::uint64_t key = 0; // with all registrants holding, there is no one key
        for (const Registration& each : reservations.state().registrations) {
            key = each.holder ? each.key : key;
        }
        writer.write(be64(key));
        writer.fill(5);
        writer.byte(scope_and_type(reservations.state().type));
        writer.fill(2);
    });
    return finish(c, std::move(data));
}

Outcome report_capabilities(const Context& c) {
    const bool keeps = c.unit.keeps_reservations();
    bool active = false;
    c.unit.with_reservations([&](const Reservations& reservations) { active = reservations.state().survives_power_loss; });
    ByteVector data;
    ByteWriter writer(data);
    writer.write(be16(8));
    writer.byte(keeps ? 0x01 : 0x00);                                 // PTPL_C
    writer.byte(static_cast<std::uint8_t>(0x80U | (active ? 1U : 0U))); // TMV, PTPL_A
    writer.write(be16(0xea01));                                       // all six types
    writer.fill(2);
    return data_in(std::move(data), c.cdb.u16(7));
}

Outcome read_full_status(const Context& c) {
    ByteVector data;
    c.unit.with_reservations([&](const Reservations& reservations) {
        ByteWriter writer(data);
        append_header(writer, reservations);
        for (const Registration& each : reservations.state().registrations) {
            const bool holder = reservations.is_holder(each);
            const ByteVector transport_id = encode_transport_id(each.nexus.initiator_port);
            writer.write(be64(each.key));
            writer.fill(4);
            writer.byte(holder ? 0x01 : 0x00); // R_HOLDER
            writer.byte(holder ? scope_and_type(reservations.state().type) : 0);
            writer.fill(4);
            writer.write(be16(each.nexus.relative_target_port));
            writer.write(be32(static_cast<std::uint32_t>(transport_id.size())));
            writer.append(transport_id);
        }
    });
    return finish(c, std::move(data));
}

Outcome out(const Context& c) {
    const std::uint32_t list_length = c.cdb.u32(5);
    ReserveOut request;
    request.action = static_cast<ReserveOutAction>(c.cdb.service_action());
    const bool moves = request.action == ReserveOutAction::register_and_move;
    if (needs_type(request.action)) {
        const std::optional<ReservationType> type = reservation_type(c.cdb[2] & 0x0fU);
        if (!type || (c.cdb[2] >> 4U) != 0) { // scope: logical unit only
            return invalid_field_in_cdb(2);
        }
        request.type = *type;
    }
    if (list_length < parameter_list_size || (!moves && list_length != parameter_list_size)) {
        return illegal_request(Asc::parameter_list_length_error);
    }
    if (list_length > max_reserve_list_size) {
        return illegal_request(Asc::parameter_list_length_error);
    }
    if (!c.data_out) {
        return Outcome(boost::system::in_place_value, NeedDataOut{list_length});
    }
    if (c.data_out->size() < list_length) {
        return illegal_request(Asc::parameter_list_length_error);
    }
    const Result<ReserveOut, Sense> decoded = decode_list(c, std::move(request), c.data_out->first(list_length));
    if (!decoded) {
        return decoded.error();
    }
    return Outcome(boost::system::in_place_value, c.unit.reserve_out(c.nexus, *decoded));
}

} // namespace rootstock::scsi::reserve
