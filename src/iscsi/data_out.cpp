// The Data-Out side of TaskSet: unsolicited data, R2T, and writing what came burst by burst (RFC 7143 sections 11.7 and 11.8).
#include "iscsi/protocol_sense.hpp"
#include "iscsi/task_set.hpp"

#include "core/checked.hpp"

#include <algorithm>

namespace rootstock::iscsi {

namespace {
// A target transfer tag names slot, burst and a sequence number, so that data for a tag of the past meets nobody.
constexpr unsigned slot_shift = 16;
constexpr unsigned burst_shift = 14;
constexpr std::uint32_t sequence_mask = (1U << burst_shift) - 1;
constexpr std::uint32_t burst_mask = (1U << (slot_shift - burst_shift)) - 1;
static_assert(limits::max_outstanding_r2t <= burst_mask + 1);
static_assert(limits::command_window + limits::immediate_tasks < 0xffff);
} // namespace

MutableBytes TaskSet::destination_of(const BasicHeader& header) {
    const auto data_out = header_as<DataOutHeader>(header);
    const std::uint32_t length = header.data_segment_length;
    if (data_out.target_transfer_tag != reserved_tag) {
        Burst* burst = burst_of(data_out.target_transfer_tag);
        const bool fits = burst != nullptr && data_out.buffer_offset == burst->offset + burst->received &&
                          length <= burst->asked - burst->received;
        if (!fits) {
            return {};
        }
        receiving_into_ = &burst->buffer;
        return burst->buffer.bytes().subspan(burst->received, length);
    }
    Task* task = find(data_out.initiator_task_tag);
    const bool fits = task != nullptr && task->state == Task::State::unsolicited_data &&
                      data_out.buffer_offset == task->unsolicited_size &&
                      length <= task->unsolicited.size() - task->unsolicited_size;
    if (!fits) {
        return {};
    }
    receiving_into_ = &task->unsolicited;
    return task->unsolicited.bytes().subspan(task->unsolicited_size, length);
}

void TaskSet::destination_done() {
    receiving_into_ = nullptr;
    parked_.release();
}

std::size_t TaskSet::segment_size(const BasicHeader& header) const {
    const auto command = header_as<ScsiCommandHeader>(header);
    const std::size_t length = header.data_segment_length;
    if ((command.flags & ScsiCommandHeader::write_bit) == 0) {
        return length;
    }
    return std::max(length, std::min<std::size_t>(command.expected_data_transfer_length, session_.parameters.first_burst_length));
}

TaskSet::Taken TaskSet::data_out(const Pdu& pdu) {
    const auto header = pdu.as<DataOutHeader>();
    if (header.target_transfer_tag == reserved_tag) {
        Task* task = find(header.initiator_task_tag);
        if (task == nullptr) {
            return {}; // of a task that has ended: on its way when the status was sent
        }
        return take_unsolicited(*task, header, pdu);
    }
    Burst* burst = burst_of(header.target_transfer_tag);
    if (burst == nullptr) {
        return {};
    }
    Task& task = *burst->job.task;
    if (task.initiator_task_tag != header.initiator_task_tag) {
        return RejectReason::invalid_pdu_field;
    }
    return take_solicited(task, *burst, header, pdu);
}

TaskSet::Taken TaskSet::take_unsolicited(Task& task, const DataOutHeader& header, const Pdu& pdu) {
    if (task.state != Task::State::unsolicited_data) {
        fail(task, unexpected_unsolicited_data);
        return {};
    }
    if (header.data_sn != task.unsolicited_data_sn) {
        fail(task, data_phase_error);
        return {};
    }
    if (header.buffer_offset != task.unsolicited_size) {
        fail(task, data_offset_error);
        return {};
    }
    const std::uint32_t room = std::min(session_.parameters.first_burst_length, task.expected_out) - task.unsolicited_size;
    if (pdu.data.size() > room) {
        fail(task, unexpected_unsolicited_data);
        return {};
    }
    if (!pdu.in_destination) {
        std::copy(pdu.data.begin(), pdu.data.end(), task.unsolicited.bytes().begin() + task.unsolicited_size);
    }
    ++task.unsolicited_data_sn;
    task.unsolicited_size += static_cast<std::uint32_t>(pdu.data.size());
    if (pdu.header.final()) {
        arrived(task, Bytes(task.unsolicited.bytes()).first(task.unsolicited_size));
    }
    return {};
}

TaskSet::Taken TaskSet::take_solicited(Task& task, Burst& burst, const DataOutHeader& header, const Pdu& pdu) {
    if (header.data_sn != burst.next_data_sn) {
        fail(task, data_phase_error);
        return {};
    }
    if (header.buffer_offset != burst.offset + burst.received || pdu.data.size() > burst.asked - burst.received) {
        fail(task, data_offset_error);
        return {};
    }
    if (!pdu.in_destination) {
        std::copy(pdu.data.begin(), pdu.data.end(), burst.buffer.bytes().begin() + burst.received);
    }
    ++burst.next_data_sn;
    burst.received += static_cast<std::uint32_t>(pdu.data.size());
    if (burst.received < burst.asked) {
        if (pdu.header.final()) {
            fail(task, not_enough_unsolicited_data); // less than the R2T asked for
        }
        return {};
    }
    if (!burst.complete()) {
        send_r2t(task, burst);
    } else {
        burst_complete(task, burst);
    }
    return {};
}

Burst* TaskSet::burst_of(std::uint32_t target_transfer_tag) {
    const std::uint32_t slot = target_transfer_tag >> slot_shift;
    if (slot >= tasks_.size()) {
        return nullptr;
    }
    Burst& burst = tasks_[slot]->bursts[(target_transfer_tag >> burst_shift) & burst_mask];
    const bool open = burst.state == Burst::State::receiving && burst.target_transfer_tag == target_transfer_tag;
    return open && tasks_[slot]->state == Task::State::running ? &burst : nullptr;
}

/// Parameter data are collected in one piece.
void TaskSet::begin_parameters(Task& task, std::uint32_t length, Bytes data) {
    task.wanted = length;
    task.transfer = std::min(length, task.expected_out);
    data = data.first(std::min<std::size_t>(data.size(), task.transfer));
    if (data.size() == task.transfer) {
        return take_step(task, task.unit->execute_with_data(*task.nexus, task.command(), data), {});
    }
    task.collects_parameters = true;
    task.unsolicited_size = 0;
    task.asked = task.transfer;
    Burst& burst = open_burst(task, task.transfer, data);
    send_r2t(task, burst);
}

void TaskSet::begin_write(Task& task, Bytes data) {
    const std::uint32_t block = task.unit->device().geometry().logical_block_size;
    task.wanted = static_cast<std::uint32_t>(task.io.length);
    task.transfer = round_down(std::min(task.wanted, task.expected_out), block);
    data = data.first(std::min<std::size_t>(data.size(), task.transfer));
    task.asked = 0;
    if (task.transfer == 0) {
        return complete(task);
    }
    if (data.size() == task.transfer && !task.io.fua) { // the usual small write: straight from where it was received
        const block::TryWrite tried = task.unit->try_write(task.claim, task.io.offset, data);
        if (tried.status != block::TryStatus::would_block) {
            if (tried.status == block::TryStatus::failed) {
                task.result.error = tried.error;
            }
            task.done = task.transfer;
            return complete(task);
        }
    }
    if (!data.empty()) {
        const std::uint32_t length = std::min<std::uint32_t>(task.transfer, limits::write_burst);
        Burst& burst = open_burst(task, length, data);
        task.asked = length;
        if (burst.complete()) {
            write_off_shard(task, burst);
        } else {
            send_r2t(task, burst);
        }
    }
    give_back(task.unsolicited);
    solicit(task);
}

/// Opens bursts as far as MaxOutstandingR2T, the order of sequences and the budget allow.
void TaskSet::solicit(Task& task) {
    while (task.asked < task.transfer) {
        const auto receiving = [](const Burst& burst) { return burst.state == Burst::State::receiving; };
        const auto outstanding = static_cast<std::uint32_t>(std::count_if(task.bursts.begin(), task.bursts.end(), receiving));
        const bool in_order = std::none_of(task.bursts.begin(), task.bursts.end(), [&](const Burst& burst) {
            return receiving(burst) && burst.asked < burst.length; // it has to ask again first (DataSequenceInOrder)
        });
        const bool slot = std::any_of(task.bursts.begin(), task.bursts.end(),
                                      [](const Burst& burst) { return burst.state == Burst::State::free; });
        if (outstanding >= session_.parameters.max_outstanding_r2t || !in_order || !slot) {
            return; // goes on when a burst is complete or written
        }
        if (solicited_ >= limits::solicited_bytes) {
            wants_data_.push(&task);
            return;
        }
        const std::uint32_t length = std::min<std::uint32_t>(task.transfer - task.asked, limits::write_burst);
        Burst& burst = open_burst(task, length, {});
        task.asked += length;
        send_r2t(task, burst);
    }
}

void TaskSet::solicit_waiting() {
    while (!wants_data_.empty() && solicited_ < limits::solicited_bytes) {
        solicit(*wants_data_.pop());
    }
}

/// A burst at task.asked (0 for the first) with `prefix` in it already. A slot is free.
Burst& TaskSet::open_burst(Task& task, std::uint32_t length, Bytes prefix) {
    const auto slot =
        std::find_if(task.bursts.begin(), task.bursts.end(), [](const Burst& burst) { return burst.state == Burst::State::free; });
    RS_ASSERT(slot != task.bursts.end());
    Burst& burst = *slot;
    burst.state = Burst::State::receiving;
    burst.target_transfer_tag = reserved_tag;
    burst.offset = task.collects_parameters ? 0 : task.asked;
    burst.length = length;
    burst.received = burst.asked = static_cast<std::uint32_t>(prefix.size());
    const bool owned = !prefix.empty() && prefix.data() == task.unsolicited.bytes().data() && task.unsolicited.size() >= length;
    burst.buffer = owned ? std::move(task.unsolicited) : pool_.acquire(length);
    if (!owned && !prefix.empty()) {
        std::copy(prefix.begin(), prefix.end(), burst.buffer.bytes().begin());
    }
    burst.job.task = &task;
    burst.job.unit = task.unit;
    solicited_ += length;
    return burst;
}

/// Asks for the next part of `burst`, at most MaxBurstLength.
void TaskSet::send_r2t(Task& task, Burst& burst) {
    const auto index = static_cast<std::uint32_t>(&burst - task.bursts.data());
    const std::uint32_t length = std::min(burst.length - burst.received, session_.parameters.max_burst_length);
    burst.asked = burst.received + length;
    burst.next_data_sn = 0;
    burst.target_transfer_tag = (task.slot << slot_shift) | (index << burst_shift) | (++tag_sequence_ & sequence_mask);
    auto header = make_header<ReadyToTransferHeader>(Opcode::ready_to_transfer);
    header.lun = task.lun;
    header.initiator_task_tag = task.initiator_task_tag;
    header.target_transfer_tag = burst.target_transfer_tag;
    header.r2t_sn = task.next_r2t_sn++;
    header.buffer_offset = burst.offset + burst.received;
    header.desired_data_transfer_length = length;
    number(header, false);
    header.stat_sn = session_.stat_sn; // the next one, not taken (section 11.8.2)
    writer_.add(header);
}

void TaskSet::burst_complete(Task& task, Burst& burst) {
    if (was_aborted(task)) {
        return leave(task);
    }
    if (task.collects_parameters) {
        task.collects_parameters = false;
        const Bytes data = Bytes(burst.buffer.bytes()).first(burst.length);
        scsi::Step step = task.unit->execute_with_data(*task.nexus, task.command(), data);
        close_burst(burst);
        return take_step(task, std::move(step), {});
    }
    if (task.result.error) { // the rest of a write that has failed is not written
        return burst_written(task, burst);
    }
    if (!task.io.fua) {
        const block::TryWrite tried =
            task.unit->try_write(task.claim, task.io.offset + burst.offset, Bytes(burst.buffer.bytes()).first(burst.length));
        if (tried.status == block::TryStatus::failed) {
            task.result.error = tried.error;
        }
        if (tried.status != block::TryStatus::would_block) {
            return burst_written(task, burst);
        }
    }
    write_off_shard(task, burst);
    solicit(task);
}

void TaskSet::write_off_shard(Task& task, Burst& burst) {
    burst.state = Burst::State::writing;
    burst.job.kind = IoJob::Kind::write;
    burst.job.offset = task.io.offset + burst.offset;
    burst.job.bytes = burst.buffer.bytes().first(burst.length);
    burst.job.fua = task.io.fua;
    hand_out(burst.job);
}

void TaskSet::burst_written(Task& task, Burst& burst) {
    task.done += burst.length;
    close_burst(burst);
    if (task.done == task.transfer || (task.result.error && task.jobs_out == 0)) {
        complete(task);
    } else if (!task.result.error) {
        solicit(task);
    }
    solicit_waiting();
}

void TaskSet::close_burst(Burst& burst) {
    burst.state = Burst::State::free;
    give_back(burst.buffer);
    solicited_ -= burst.length;
}

void TaskSet::give_back(PooledBuffer& buffer) {
    if (&buffer == receiving_into_) {
        parked_ = std::move(buffer);
        receiving_into_ = nullptr;
    }
    buffer.release();
}

} // namespace rootstock::iscsi
