// Task management functions (RFC 7143 sections 11.5 and 11.6, SAM-5 section 7): which tasks they end, and the answer once those have ended, the
// writes of other sessions' tasks included.
#pragma once

#include "iscsi/task_set.hpp"

#include <list>

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

    /// As TaskSet's: jobs that wait for the writes of tasks of other sessions.
    [[nodiscard]] IoJob* poll_job();
    void finished(IoJob& job);
    [[nodiscard]] bool jobs_out() const { return jobs_out_ > 0; }
    /// The CmdSN, once, of a command that was aborted before it came: it counts as received.
    [[nodiscard]] std::optional<std::uint32_t> take_aborted_cmd_sn() { return std::exchange(aborted_cmd_sn_, std::nullopt); }
    /// True once, when a TARGET COLD RESET has been answered: every session of the target is to end.
    [[nodiscard]] bool take_cold_reset() { return std::exchange(cold_reset_, false); }

  private:
    struct Pending {
        std::uint64_t serial = 0;
        std::uint32_t initiator_task_tag = 0;
        bool cold_reset = false;
        std::vector<scsi::LogicalUnit*> awaited; // units with aborted tasks of other sessions; the last one's job is out
        IoJob job;
    };
    [[nodiscard]] TaskManagementAnswer perform(const TaskManagementRequestHeader& header, Pending& pending);
    [[nodiscard]] TaskManagementAnswer abort_task(const TaskManagementRequestHeader& header, std::uint64_t serial);
    [[nodiscard]] TaskManagementAnswer on_unit(TaskManagementFunction function, SessionUnit* unit, Pending& pending);
    void reset_target(Pending& pending);
    void await_next(Pending& pending);
    void answer(std::uint32_t initiator_task_tag, TaskManagementAnswer answer);

    TaskSet& tasks_;
    PduWriter& writer_;
    Session& session_;
    std::list<Pending> pending_; // in order; jobs stay where they are
    std::list<Pending> spare_;   // for the next ones
    Fifo<IoJob*> jobs_;          // to be polled
    std::uint32_t jobs_out_ = 0; // polled or to be polled
    std::uint64_t last_serial_ = 0;
    std::optional<std::uint32_t> aborted_cmd_sn_;
    bool cold_reset_ = false;
};

} // namespace rootstock::iscsi
