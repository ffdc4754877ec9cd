#include "iscsi/task_management.hpp"

namespace rootstock::iscsi {

void TaskManagement::request(const Pdu& pdu) {
    const auto header = pdu.as<TaskManagementRequestHeader>();
    if (pending_.size() >= limits::pending_management) {
        return answer(header.initiator_task_tag, TaskManagementAnswer::rejected);
    }
    if (spare_.empty()) {
        spare_.emplace_back();
    }
    Pending& pending = spare_.front();
    pending.serial = ++last_serial_;
    pending.initiator_task_tag = header.initiator_task_tag;
    pending.cold_reset = false;
    const TaskManagementAnswer result = perform(header, pending);
    if (result != TaskManagementAnswer::complete) {
        return answer(header.initiator_task_tag, result);
    }
    pending_.splice(pending_.end(), spare_, spare_.begin());
    await_next(pending);
    answer_finished();
}

TaskManagementAnswer TaskManagement::perform(const TaskManagementRequestHeader& header, Pending& pending) {
    const auto function = static_cast<TaskManagementFunction>(header.flags & TaskManagementRequestHeader::function_mask);
    switch (function) {
    case TaskManagementFunction::abort_task:
        return abort_task(header, pending.serial);
    case TaskManagementFunction::abort_task_set:
    case TaskManagementFunction::clear_task_set:
    case TaskManagementFunction::logical_unit_reset:
        return on_unit(function, session_.find_unit(header.lun), pending);
    case TaskManagementFunction::target_warm_reset:
    case TaskManagementFunction::target_cold_reset:
        pending.cold_reset = function == TaskManagementFunction::target_cold_reset;
        reset_target(pending);
        return TaskManagementAnswer::complete;
    case TaskManagementFunction::task_reassign: // needs ErrorRecoveryLevel 2
        return TaskManagementAnswer::reassignment_not_supported;
    case TaskManagementFunction::clear_aca: // NACA is not supported
        return TaskManagementAnswer::not_supported;
    }
    return TaskManagementAnswer::not_supported;
}

/// Section 11.6.1: a task that has not arrived, though it should have, counts as aborted; one of the past does not exist.
TaskManagementAnswer TaskManagement::abort_task(const TaskManagementRequestHeader& header, std::uint64_t serial) {
    const std::uint32_t tag = header.referenced_task_tag;
    const Task* task = tasks_.find(tag);
    if (task == nullptr && session_.window.is_awaited(header.ref_cmd_sn) && serial_less(header.ref_cmd_sn, header.cmd_sn)) {
        aborted_cmd_sn_ = header.ref_cmd_sn.value();
        return TaskManagementAnswer::complete;
    }
    if (task == nullptr || task->lun != header.lun) {
        return TaskManagementAnswer::no_such_task;
    }
    tasks_.abort_if([tag](const Task& other) { return other.initiator_task_tag == tag; }, serial);
    return TaskManagementAnswer::complete;
}

TaskManagementAnswer TaskManagement::on_unit(TaskManagementFunction function, SessionUnit* unit, Pending& pending) {
    if (unit == nullptr) {
        return TaskManagementAnswer::no_such_unit;
    }
    tasks_.abort_if([unit](const Task& task) { return task.unit == unit->unit.get(); }, pending.serial);
    if (function == TaskManagementFunction::abort_task_set) { // this session's alone
        return TaskManagementAnswer::complete;
    }
    if (function == TaskManagementFunction::logical_unit_reset) {
        unit->unit->reset();
    } else {
        unit->unit->clear_task_set(*unit->nexus);
    }
    pending.awaited.push_back(unit->unit.get());
    return TaskManagementAnswer::complete;
}

void TaskManagement::reset_target(Pending& pending) {
    tasks_.abort_if([](const Task&) { return true; }, pending.serial);
    for (const SessionUnit& unit : session_.units) {
        unit.unit->reset();
        pending.awaited.push_back(unit.unit.get());
    }
}

void TaskManagement::await_next(Pending& pending) {
    if (pending.awaited.empty()) {
        return;
    }
    pending.job.kind = IoJob::Kind::await_writes;
    pending.job.unit = pending.awaited.back();
    ++jobs_out_;
    jobs_.push(&pending.job);
}

IoJob* TaskManagement::poll_job() { return jobs_.empty() ? nullptr : jobs_.pop(); }

void TaskManagement::finished(IoJob& job) {
    --jobs_out_;
    const auto pending = std::find_if(pending_.begin(), pending_.end(), [&](const Pending& each) { return &each.job == &job; });
    pending->awaited.pop_back();
    await_next(*pending);
}

void TaskManagement::answer_finished() {
    while (!pending_.empty() && pending_.front().awaited.empty() && tasks_.drained(pending_.front().serial)) {
        const std::uint32_t tag = pending_.front().initiator_task_tag;
        cold_reset_ |= pending_.front().cold_reset;
        spare_.splice(spare_.end(), pending_, pending_.begin());
        answer(tag, TaskManagementAnswer::complete);
    }
}

void TaskManagement::answer(std::uint32_t initiator_task_tag, TaskManagementAnswer answer) {
    auto header = make_header<TaskManagementResponseHeader>(Opcode::task_management_response);
    header.response = static_cast<std::uint8_t>(answer);
    header.initiator_task_tag = initiator_task_tag;
    session_.window.open_for(tasks_.free_slots());
    session_.number(header, true);
    writer_.add(header);
}

} // namespace rootstock::iscsi
