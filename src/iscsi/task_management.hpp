// Task management functions (RFC 7143 sections 11.5 and 11.6, SAM-5 section 7): which tasks they end, and the answer once those have ended.
#pragma once

#include "iscsi/task_set.hpp"

namespace rootstock::iscsi {

enum class TaskManagementFunction : std::uint8_t {
    abort_task = 1,
    abort_task_set = 2,
    clear_aca = 3,
    clear_task_set = 4,
    logical_unit_reset = 5,
    target_warm_reset = 6,
    target_cold_reset = 7,
    task_reassign = 8,
};

enum class TaskManagementAnswer : std::uint8_t {
    complete = 0,
    no_such_task = 1,
    no_such_unit = 2,
    reassignment_not_supported = 4,
    not_supported = 5,
    rejected = 255,
};

class TaskManagement {
  public:
    TaskManagement(TaskSet& tasks, PduWriter& writer, Session& session) : tasks_(tasks), writer_(writer), session_(session) {}

    void request(const Pdu& pdu);
    /// Answers the functions whose tasks are gone.
    void answer_finished();
    /// The CmdSN, once, of a command that was aborted before it came: it counts as received.
    [[nodiscard]] std::optional<std::uint32_t> take_aborted_cmd_sn() { return std::exchange(aborted_cmd_sn_, std::nullopt); }
    /// True once, when a TARGET COLD RESET has been answered: every session of the target is to end.
    [[nodiscard]] bool take_cold_reset() { return std::exchange(cold_reset_, false); }

  private:
    struct Pending {
        std::uint64_t serial;
        std::uint32_t initiator_task_tag;
        bool cold_reset;
    };
    [[nodiscard]] TaskManagementAnswer perform(const TaskManagementRequestHeader& header, std::uint64_t serial);
    [[nodiscard]] TaskManagementAnswer abort_task(const TaskManagementRequestHeader& header, std::uint64_t serial);
    [[nodiscard]] TaskManagementAnswer on_unit(TaskManagementFunction function, SessionUnit* unit, std::uint64_t serial);
    void reset_target(std::uint64_t serial);
    void answer(std::uint32_t initiator_task_tag, TaskManagementAnswer answer);

    TaskSet& tasks_;
    PduWriter& writer_;
    Session& session_;
    std::vector<Pending> pending_;
    std::uint64_t last_serial_ = 0;
    std::optional<std::uint32_t> aborted_cmd_sn_;
    bool cold_reset_ = false;
};

} // namespace rootstock::iscsi
