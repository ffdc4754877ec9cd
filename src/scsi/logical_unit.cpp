#include "scsi/logical_unit.hpp"

#include "core/assert.hpp"
#include "scsi/device_server.hpp"
#include "scsi/handlers.hpp"
#include "scsi/inquiry.hpp"

#include <algorithm>

namespace rootstock::scsi {

UnitNexus::~UnitNexus() {
    copies_.cancel_all();
    unit_->forget(*this);
}

DeviceServer::DeviceServer(UnitKind kind, std::shared_ptr<block::BlockDevice> device, Identity identity,
                           std::shared_ptr<ReservationStore> store, ReservationState reservations)
    : kind_(kind), device_(std::move(device)), gated_(*device_, gate_), identity_(std::move(identity)), store_(std::move(store)),
      read_only_(device_->geometry().read_only), modes_(kind.mode_pages), reservations_(std::move(reservations)) {
    const block::Geometry geometry = device_->geometry();
    shape_.block_size = kind.block_size == 0 ? geometry.logical_block_size : kind.block_size;
    RS_ASSERT(shape_.block_size % geometry.logical_block_size == 0);
    shape_.physical_block_size = std::max(geometry.physical_block_size, shape_.block_size);
    shape_.discard_granularity = geometry.discard_granularity;
    block_count_ = geometry.size_bytes / shape_.block_size;
    update_guarded();
}

std::shared_ptr<Nexus> DeviceServer::attach(std::string_view initiator_port, std::uint16_t relative_target_port,
                                        std::vector<std::uint64_t> all_luns, bool power_on) {
    auto nexus = std::make_shared<UnitNexus>(shared_from_this(), NexusName{std::string(initiator_port), relative_target_port},
                                             std::move(all_luns));
    if (power_on) {
        nexus->attentions().establish(Attention::power_on_or_reset);
    }
    const std::lock_guard lock(mutex_);
    nexuses_.push_back(nexus.get());
    return nexus;
}

void DeviceServer::forget(const UnitNexus& nexus) {
    const std::lock_guard lock(mutex_);
    std::erase(nexuses_, &nexus);
    std::erase(removal_preventers_, &nexus);
    if (ejected_by_ == &nexus) {
        move_tray_locked(nexus, true);
    }
    if (reserve6_holder_ == &nexus) { // an I_T nexus loss releases it (SPC-2 5.5.1)
        reserve6_holder_ = nullptr;
        update_guarded();
    }
}

Step DeviceServer::execute(Nexus& nexus, const Command& command) { return run(static_cast<UnitNexus&>(nexus), command, std::nullopt); }

Step DeviceServer::execute_with_data(Nexus& nexus, const Command& command, Bytes data_out) {
    return run(static_cast<UnitNexus&>(nexus), command, data_out);
}

/// The checks stand in the order in which their answers take precedence (SAM-5 5.14, SPC-4 5.12.1, SPC-4 4.2).
Step DeviceServer::run(UnitNexus& nexus, const Command& command, std::optional<Bytes> data_out) {
    const Context context{*this, nexus, Cdb(command.cdb), command.data_out_length, data_out};
    const CommandRow* const row = kind_.commands->find(context.cdb);
    const bool tells = row == nullptr || row->attentions == Attentions::told;
    if (nexus.attentions().pending() && tells && !data_out) [[unlikely]] {
        if (const std::optional<Attention> attention = nexus.attentions().take()) {
            return check_condition({SenseKey::unit_attention, asc_of(*attention), {}, {}});
        }
    }
    if (row == nullptr) [[unlikely]] {
        return check_condition(kind_.commands->unknown_command(context.cdb));
    }
    if (guarded_.load(std::memory_order_relaxed) && forbidden(nexus, *row)) [[unlikely]] {
        Response conflict;
        conflict.status = Status::reservation_conflict;
        return conflict;
    }
    if (const std::optional<Sense> sense = check_usage(*row, context.cdb)) [[unlikely]] {
        return check_condition(*sense);
    }
    if (row->medium != Medium::not_needed && !loaded()) [[unlikely]] {
        return check_condition({SenseKey::not_ready, Asc::medium_not_present_tray_open, {}, {}});
    }
    if (row->medium == Medium::written && write_protected()) [[unlikely]] {
        return check_condition({SenseKey::data_protect, Asc::write_protected, {}, {}});
    }
    Outcome outcome = row->handler(context);
    if (!outcome) [[unlikely]] {
        return check_condition(outcome.error());
    }
    return std::move(*outcome);
}

Response DeviceServer::check_condition(const Sense& sense) const {
    Response response;
    response.status = Status::check_condition;
    response.sense = encode(sense, modes_.descriptor_sense() ? SenseFormat::descriptor : SenseFormat::fixed);
    return response;
}

Response DeviceServer::complete(Nexus&, const Command& command, const BlockIo& io, const IoResult& result) {
    if (!result.error) [[likely]] {
        if (io.op != BlockIo::Op::extents) [[likely]] {
            return {};
        }
        Response response;
        response.data_in = block_cmd::lba_status_data(io, result, block_size());
        const std::size_t allocation_length = Cdb(command.cdb).u32(10);
        response.data_in.resize(std::min(response.data_in.size(), allocation_length));
        return response;
    }
    using enum BlockIo::Op;
    if (io.op == copy) {
        return check_condition(io.copy_job->failure());
    }
    const bool writing = io.op != read && io.op != verify && io.op != prefetch && io.op != extents;
    Sense sense = sense_of(*result.error, writing);
    if (*result.error == block::IoError::miscompare) {
        // COMPARE AND WRITE: the first differing byte (SBC-3 5.2); VERIFY: the block it is in.
        sense.information =
            io.op == compare_and_write ? result.miscompare_offset : (io.offset + result.miscompare_offset) / block_size();
    }
    return check_condition(sense);
}

bool DeviceServer::forbidden(const UnitNexus& nexus, const CommandRow& row) const {
    constexpr std::uint8_t release_6 = 0x17; // of a nexus that holds nothing: GOOD, without effect
    const std::lock_guard lock(mutex_);
    if (reserve6_holder_ != nullptr && reserve6_holder_ != &nexus) {
        return row.attentions == Attentions::told && row.opcode != release_6;
    }
    return reservations_.conflicts(nexus.name(), row.access);
}

bool DeviceServer::conflicts(const UnitNexus& nexus, Access access) const {
    if (!guarded_.load(std::memory_order_relaxed)) {
        return false;
    }
    const std::lock_guard lock(mutex_);
    return (reserve6_holder_ != nullptr && reserve6_holder_ != &nexus) || reservations_.conflicts(nexus.name(), access);
}

void DeviceServer::update_guarded() { guarded_ = reserve6_holder_ != nullptr || reservations_.held(); }

bool DeviceServer::has_target_port(std::uint16_t relative_target_port) const {
    const std::lock_guard lock(mutex_);
    return std::any_of(nexuses_.begin(), nexuses_.end(),
                       [&](const UnitNexus* each) { return each->name().relative_target_port == relative_target_port; });
}

void DeviceServer::with_reservations(const std::function<void(const Reservations&)>& look) const {
    const std::lock_guard lock(mutex_);
    look(reservations_);
}

Step DeviceServer::reserve_out(const UnitNexus& from, const ReserveOut& request) {
    const std::lock_guard lock(mutex_);
    const bool was_kept = reservations_.state().survives_power_loss;
    const ReserveOutcome outcome = reservations_.perform(from.name(), request);
    update_guarded();
    deliver(outcome);
    if (outcome.sense) {
        return check_condition(*outcome.sense);
    }
    const bool kept = was_kept || reservations_.state().survives_power_loss;
    if (outcome.status == Status::good && (kept || !outcome.abort.empty())) {
        BlockIo io;
        io.op = kept ? BlockIo::Op::save_reservations : BlockIo::Op::await_writes;
        return io;
    }
    Response response;
    response.status = outcome.status;
    return response;
}

void DeviceServer::deliver(const ReserveOutcome& outcome) {
    for (UnitNexus* const nexus : nexuses_) {
        for (const ReserveOutcome::Notice& notice : outcome.notices) {
            if (notice.nexus == nexus->name()) {
                nexus->attentions().establish(notice.attention);
            }
        }
        if (std::find(outcome.abort.begin(), outcome.abort.end(), nexus->name()) != outcome.abort.end()) {
            nexus->abort_tasks();
        }
    }
}

/// RESERVE(6) (SPC-2 7.21). A unit with registrations does not mix the two kinds (SPC-4 5.12.3, CRH 0).
Status DeviceServer::reserve_unit(const UnitNexus& from) {
    const std::lock_guard lock(mutex_);
    if (!reservations_.state().registrations.empty() || (reserve6_holder_ != nullptr && reserve6_holder_ != &from)) {
        return Status::reservation_conflict;
    }
    reserve6_holder_ = &from;
    update_guarded();
    return Status::good;
}

Status DeviceServer::release_unit(const UnitNexus& from) {
    const std::lock_guard lock(mutex_);
    if (!reservations_.state().registrations.empty()) {
        return Status::reservation_conflict;
    }
    if (reserve6_holder_ == &from) {
        reserve6_holder_ = nullptr;
        update_guarded();
    }
    return Status::good;
}

IoResult DeviceServer::save_reservations() {
    const std::lock_guard saving(save_mutex_);
    ReservationState state;
    with_reservations([&](const Reservations& reservations) { state = reservations.state(); });
    if (!state.survives_power_loss) {
        state.registrations.clear();
        state.type = ReservationType::none;
    }
    IoResult result;
    if (!store_->save(identity_.serial, state)) {
        result.error = block::IoError::medium;
    }
    return result;
}

void DeviceServer::tell_all_locked(Attention attention, const Nexus* by) {
    for (UnitNexus* const nexus : nexuses_) {
        if (nexus != by) {
            nexus->attentions().establish(attention);
        }
    }
}

void DeviceServer::tell_all(Attention attention, const Nexus* by) {
    const std::lock_guard lock(mutex_);
    tell_all_locked(attention, by);
}

void DeviceServer::reset() {
    const std::lock_guard lock(mutex_);
    reserve6_holder_ = nullptr; // persistent reservations stay (SAM-5 6.3.3)
    removal_preventers_.clear();
    update_guarded();
    modes_.set(false, false);
    for (UnitNexus* const nexus : nexuses_) {
        nexus->abort_tasks();
    }
    tell_all_locked(Attention::bus_device_reset, nullptr);
}

void DeviceServer::clear_task_set(const Nexus& by) {
    const std::lock_guard lock(mutex_);
    for (UnitNexus* const nexus : nexuses_) {
        nexus->abort_tasks();
    }
    tell_all_locked(Attention::commands_cleared, &by);
}

void DeviceServer::prevent_removal(const UnitNexus& by, bool prevent) {
    const std::lock_guard lock(mutex_);
    std::erase(removal_preventers_, &by);
    if (prevent) {
        removal_preventers_.push_back(&by);
    }
}

bool DeviceServer::removal_prevented() const {
    const std::lock_guard lock(mutex_);
    return !removal_preventers_.empty();
}

std::optional<Sense> DeviceServer::move_tray(const UnitNexus& by, bool load) {
    const std::lock_guard lock(mutex_);
    if (!removal_preventers_.empty()) {
        return illegal_request(Asc::medium_removal_prevented);
    }
    if (load != loaded()) {
        move_tray_locked(by, load);
    }
    return std::nullopt;
}

void DeviceServer::move_tray_locked(const UnitNexus& by, bool load) {
    loaded_ = load;
    ejected_by_ = load ? nullptr : &by;
    for (UnitNexus* const nexus : nexuses_) {
        nexus->media_event() = load ? MediaEvent::new_medium : MediaEvent::removal;
    }
    if (load) {
        tell_all_locked(Attention::medium_changed, &by);
    }
}

void DeviceServer::capacity_changed() {
    block_count_ = device_->geometry().size_bytes / shape_.block_size;
    tell_all(Attention::capacity_changed, nullptr);
}

bool DeviceServer::has_registrations() const {
    const std::lock_guard lock(mutex_);
    return !reservations_.state().registrations.empty();
}

std::shared_ptr<LogicalUnit> make_disk_unit(std::shared_ptr<block::BlockDevice> device, Identity identity) {
    return make_disk_unit(std::move(device), std::move(identity), nullptr, {});
}

std::shared_ptr<LogicalUnit> make_disk_unit(std::shared_ptr<block::BlockDevice> device, Identity identity,
                                            std::shared_ptr<ReservationStore> store, ReservationState kept) {
    return std::make_shared<DeviceServer>(UnitKind::disk(), std::move(device), std::move(identity), std::move(store), std::move(kept));
}

std::shared_ptr<LogicalUnit> make_removable_disk_unit(std::shared_ptr<block::BlockDevice> device, Identity identity) {
    return std::make_shared<DeviceServer>(UnitKind::removable_disk(), std::move(device), std::move(identity), nullptr, ReservationState{});
}

std::shared_ptr<LogicalUnit> make_cdrom_unit(std::shared_ptr<block::BlockDevice> device, Identity identity) {
    identity.product = "VIRTUAL CD-ROM";
    return std::make_shared<DeviceServer>(UnitKind::cdrom(), std::move(device), std::move(identity), nullptr, ReservationState{});
}

Response no_such_unit(const Command& command, const std::vector<std::uint64_t>& all_luns) {
    const Cdb cdb(command.cdb);
    constexpr std::uint8_t inquiry = 0x12;
    constexpr std::uint8_t report_luns = 0xa0;
    constexpr std::uint8_t request_sense = 0x03;
    const Sense not_supported = illegal_request(Asc::logical_unit_not_supported);
    Response response;
    const auto answer = [&](ByteVector data, std::size_t allocation_length) {
        response.data_in = std::move(data);
        response.data_in.resize(std::min(response.data_in.size(), allocation_length));
        return response;
    };
    if (cdb.opcode() == inquiry && !cdb.bit(1, 0)) {
        return answer(standard_inquiry({.peripheral = Peripheral::not_capable}, {}), cdb.u16(3));
    }
    if (cdb.opcode() == report_luns) {
        return answer(primary::luns_data(all_luns, cdb[2]), cdb.u32(6));
    }
    if (cdb.opcode() == request_sense) {
        return answer(encode(not_supported, cdb.bit(1, 0) ? SenseFormat::descriptor : SenseFormat::fixed), cdb[4]);
    }
    response.status = Status::check_condition;
    response.sense = encode(not_supported, SenseFormat::fixed);
    return response;
}

} // namespace rootstock::scsi
