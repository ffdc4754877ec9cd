#include "iscsi/task_management.hpp"

namespace rootstock::iscsi {

void TaskManagement::request(const Pdu& pdu) {
    const auto header = pdu.as<TaskManagementRequestHeader>();
    if (pending_.size() >= limits::pending_management) {
        return answer(header.initiator_task_tag, TaskManagementAnswer::rejected);
    }
    const std::uint64_t serial = ++last_serial_;
    const TaskManagementAnswer result = perform(header, serial);
    if (result != TaskManagementAnswer::complete) {
        return answer(header.initiator_task_tag, result);
    }
    const auto function = static_cast<TaskManagementFunction>(header.flags & TaskManagementRequestHeader::function_mask);
    pending_.push_back({serial, header.initiator_task_tag, function == TaskManagementFunction::target_cold_reset});
    answer_finished();
}

TaskManagementAnswer TaskManagement::perform(const TaskManagementRequestHeader& header, std::uint64_t serial) {
    const auto function = static_cast<TaskManagementFunction>(header.flags & TaskManagementRequestHeader::function_mask);
    switch (function) {
    case TaskManagementFunction::abort_task:
        return abort_task(header, serial);
    case TaskManagementFunction::abort_task_set:
    case TaskManagementFunction::clear_task_set:
    case TaskManagementFunction::logical_unit_reset:
        return on_unit(function, session_.find_unit(header.lun), serial);
    case TaskManagementFunction::target_warm_reset:
    case TaskManagementFunction::target_cold_reset:
        reset_target(serial);
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

TaskManagementAnswer TaskManagement::on_unit(TaskManagementFunction function, SessionUnit* unit, std::uint64_t serial) {
    if (unit == nullptr) {
        return TaskManagementAnswer::no_such_unit;
    }
    tasks_.abort_if([unit](const Task& task) { return task.unit == unit->unit.get(); }, serial);
    if (function == TaskManagementFunction::logical_unit_reset) {
        unit->unit->reset();
    } else if (function == TaskManagementFunction::clear_task_set) {
        unit->unit->clear_task_set(*unit->nexus);
    }
    return TaskManagementAnswer::complete;
}

void TaskManagement::reset_target(std::uint64_t serial) {
    tasks_.abort_if([](const Task&) { return true; }, serial);
    for (const SessionUnit& unit : session_.units) {
        unit.unit->reset();
    }
}

void TaskManagement::answer_finished() {
    while (!pending_.empty() && tasks_.drained(pending_.front().serial)) {
        const Pending done = pending_.front();
        pending_.erase(pending_.begin());
        answer(done.initiator_task_tag, TaskManagementAnswer::complete);
        cold_reset_ |= done.cold_reset;
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
