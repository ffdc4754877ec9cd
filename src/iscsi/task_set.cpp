#include "iscsi/task_set.hpp"

#include "iscsi/protocol_sense.hpp"

#include <algorithm>

namespace rootstock::iscsi {

namespace {

constexpr std::uint8_t ahs_extended_cdb = 1; // section 11.2.2

struct AhsHeader {
    be16 length;
    std::uint8_t type;
    std::uint8_t reserved;
};
static_assert(sizeof(AhsHeader) == 4);

/// Extended CDB (section 11.2.2.3); other segments are skipped. False: malformed.
bool take_ahs(Task& task, Bytes ahs) {
    ByteReader reader(ahs);
    while (reader.remaining() >= sizeof(AhsHeader)) {
        const auto header = reader.read<AhsHeader>();
        if (header.length == 0) {
            return false;
        }
        const Bytes content = reader.take(header.length - 1U);
        reader.skip((4 - (header.length + 3U) % 4) % 4);
        if (!reader.ok()) {
            return false;
        }
        if (header.type == ahs_extended_cdb) {
            task.cdb.insert(task.cdb.end(), content.begin(), content.end());
        }
    }
    return reader.remaining() == 0;
}

void add_relaxed(std::atomic<std::uint64_t>& counter, std::uint64_t value) {
    counter.store(counter.load(std::memory_order_relaxed) + value, std::memory_order_relaxed); // one writer: the shard
}

} // namespace

MutableBytes ReadPieces::buffer(std::size_t size) {
    PooledBuffer taken = pool_.acquire(size);
    const MutableBytes bytes = taken.bytes().first(size);
    pieces.push_back({bytes.data(), size});
    buffers.push_back(std::move(taken));
    return bytes;
}

void ReadPieces::clear() {
    pieces.clear();
    buffers.clear();
}

TaskSet::TaskSet(BufferPool& pool, PduWriter& writer, Session& session)
    : pool_(pool), writer_(writer), session_(session), pieces_(pool) {}

Task* TaskSet::find(std::uint32_t initiator_task_tag) {
    const auto found = std::find(tags_.begin(), tags_.end(), initiator_task_tag);
    return found == tags_.end() ? nullptr : tasks_[static_cast<std::size_t>(found - tags_.begin())].get();
}

Task* TaskSet::new_task(const Pdu& pdu) {
    const auto header = pdu.as<ScsiCommandHeader>();
    if (free_.empty()) {
        free_.push_back(static_cast<std::uint32_t>(tasks_.size()));
        tasks_.push_back(std::make_unique<Task>());
        tasks_.back()->slot = free_.back();
        tags_.push_back(reserved_tag);
    }
    Task& task = *tasks_[free_.back()];
    task.initiator_task_tag = header.initiator_task_tag;
    task.cmd_sn = header.cmd_sn;
    task.immediate = pdu.header.immediate();
    task.attribute = static_cast<TaskAttribute>(header.flags & ScsiCommandHeader::attribute_mask);
    task.lun = header.lun;
    task.cdb.assign(header.cdb.begin(), header.cdb.end());
    const bool writes = (header.flags & ScsiCommandHeader::write_bit) != 0;
    const bool reads = (header.flags & ScsiCommandHeader::read_bit) != 0;
    task.expected_out = writes ? header.expected_data_transfer_length.value() : 0;
    task.expected_in = reads ? header.expected_data_transfer_length.value() : 0;
    if (!take_ahs(task, pdu.ahs)) {
        task.reset();
        return nullptr;
    }
    if (SessionUnit* found = session_.find_unit(header.lun)) {
        task.unit = found->unit.get();
        task.nexus = found->nexus.get();
        task.claim = scsi::TaskClaim(*task.nexus);
    }
    free_.pop_back();
    tags_[task.slot] = task.initiator_task_tag;
    ++(task.immediate ? immediate_tasks_ : queued_tasks_);
    return &task;
}

TaskSet::Taken TaskSet::scsi_command(const Pdu& pdu, PooledBuffer segment) {
    const auto header = pdu.as<ScsiCommandHeader>();
    if (header.initiator_task_tag == reserved_tag) {
        return RejectReason::invalid_pdu_field;
    }
    if (find(header.initiator_task_tag) != nullptr) {
        return RejectReason::task_in_progress;
    }
    if (pdu.header.immediate() && immediate_tasks_ >= limits::immediate_tasks) {
        return RejectReason::immediate_command_reject;
    }
    const bool writes = (header.flags & ScsiCommandHeader::write_bit) != 0;
    if (writes && (header.flags & ScsiCommandHeader::read_bit) != 0) { // no command of a disk moves data both ways
        return RejectReason::command_not_supported;
    }
    const bool more_follows = writes && !pdu.header.final();
    const Parameters& agreed = session_.parameters;
    if ((!pdu.data.empty() && (!agreed.immediate_data || !writes)) || (more_follows && agreed.initial_r2t) ||
        pdu.data.size() > std::min<std::uint32_t>(agreed.first_burst_length, header.expected_data_transfer_length)) {
        return RejectReason::protocol_error;
    }
    Task* task = new_task(pdu);
    if (task == nullptr) {
        return RejectReason::invalid_pdu_field;
    }
    task->unsolicited = std::move(segment);
    task->unsolicited_size = static_cast<std::uint32_t>(pdu.data.size());
    if (!more_follows) {
        arrived(*task, pdu.data);
        return {};
    }
    task->state = Task::State::unsolicited_data;
    const std::size_t room = std::min(agreed.first_burst_length, task->expected_out);
    if (task->unsolicited.size() < room) {
        PooledBuffer larger = pool_.acquire(room);
        std::copy(pdu.data.begin(), pdu.data.end(), larger.bytes().begin());
        task->unsolicited = std::move(larger);
    }
    return {};
}

/// All unsolicited data are there: the command enters the task set (SAM-5 8.6).
void TaskSet::arrived(Task& task, Bytes data) {
    if (may_start(task)) {
        return start(task, data);
    }
    task.state = Task::State::blocked;
    if (task.unsolicited.empty() && !data.empty()) {
        task.unsolicited = pool_.acquire(data.size());
        std::copy(data.begin(), data.end(), task.unsolicited.bytes().begin());
    }
    blocked_.push(&task);
}

bool TaskSet::may_start(const Task& task) const {
    if (task.attribute == TaskAttribute::head_of_queue) {
        return true;
    }
    if (ordered_running_ > 0 || (!blocked_.empty() && blocked_.front() != &task)) {
        return false;
    }
    return task.attribute != TaskAttribute::ordered || running_ == 0;
}

void TaskSet::start_unblocked() {
    while (!blocked_.empty() && may_start(*blocked_.front())) {
        Task& task = *blocked_.pop();
        start(task, Bytes(task.unsolicited.bytes()).first(task.unsolicited_size));
    }
}

void TaskSet::start(Task& task, Bytes data) {
    if (was_aborted(task)) { // by another nexus, while it waited for its turn or its data
        return leave(task);
    }
    task.state = Task::State::running;
    ++running_;
    ordered_running_ += task.attribute == TaskAttribute::ordered ? 1 : 0;
    if (task.unit == nullptr) {
        return respond(task, scsi::no_such_unit(task.command(), session_.luns));
    }
    take_step(task, task.unit->execute(*task.nexus, task.command()), data);
}

void TaskSet::take_step(Task& task, scsi::Step step, Bytes data) {
    if (auto* response = std::get_if<scsi::Response>(&step)) {
        respond(task, *response);
    } else if (auto* need = std::get_if<scsi::NeedDataOut>(&step)) {
        begin_parameters(task, need->length, data);
    } else {
        take_io(task, std::move(*std::get_if<scsi::BlockIo>(&step)), data);
    }
}

void TaskSet::take_io(Task& task, scsi::BlockIo io, Bytes data) {
    task.io = std::move(io);
    if (task.io.op == scsi::BlockIo::Op::read) {
        begin_read(task);
    } else if (task.io.op == scsi::BlockIo::Op::write) {
        begin_write(task, data);
    } else {
        perform_off_shard(task);
    }
}

void TaskSet::perform_off_shard(Task& task) {
    task.job.kind = IoJob::Kind::perform;
    task.job.task = &task;
    task.job.unit = task.unit;
    task.job.io = &task.io;
    hand_out(task.job);
}

void TaskSet::hand_out(IoJob& job) {
    job.claim = job.task->claim;
    ++job.task->jobs_out;
    ++jobs_out_;
    jobs_.push(&job);
}

IoJob* TaskSet::poll_job() {
    if (jobs_.empty()) {
        return nullptr;
    }
    return jobs_.pop();
}

void TaskSet::finished(IoJob& job) {
    Task& task = *job.task;
    --task.jobs_out;
    --jobs_out_;
    if (task.state == Task::State::aborted) {
        if (task.jobs_out == 0) {
            free(task);
        }
        return;
    }
    if (job.kind != IoJob::Kind::perform && was_aborted(task)) { // by another nexus: what was read or written is nobody's any more
        return leave(task);
    }
    switch (job.kind) {
    case IoJob::Kind::load:
    case IoJob::Kind::read:
        return read_finished(task);
    case IoJob::Kind::write: {
        const auto burst = std::find_if(task.bursts.begin(), task.bursts.end(), [&](const Burst& b) { return &b.job == &job; });
        if (job.result.error && !task.result.error) {
            task.result.error = job.result.error;
        }
        return burst_written(task, *burst);
    }
    case IoJob::Kind::perform:
        task.result = std::move(job.result);
        return complete(task);
    case IoJob::Kind::await_writes: // TaskManagement's
        break;
    }
}

/// The I/O has ended: what SCSI makes of it.
void TaskSet::complete(Task& task) {
    count_io(task);
    respond(task, task.unit->complete(*task.nexus, task.command(), task.io, task.result));
}

void TaskSet::count_io(const Task& task) {
    SessionCounters& counters = *session_.counters;
    if (task.io.op == scsi::BlockIo::Op::read) {
        if (session_.lease && !std::exchange(session_.has_read, true)) {
            session_.lease->first_read();
        }
        add_relaxed(counters.reads, 1);
        add_relaxed(counters.read_bytes, task.done);
    } else if (task.io.op == scsi::BlockIo::Op::write) {
        if (session_.lease && !std::exchange(session_.has_written, true)) {
            session_.lease->first_write();
        }
        add_relaxed(counters.writes, 1);
        add_relaxed(counters.written_bytes, task.done);
    }
}

bool TaskSet::was_aborted(const Task& task) {
    return !task.claim.holds();
}

void TaskSet::respond(Task& task, const scsi::Response& response) {
    if (was_aborted(task)) { // by another nexus: no status (TAS = 0)
        return leave(task);
    }
    if (!response.data_in.empty()) {
        return send_parameter_data(task, response);
    }
    send_status(task, response, task.wanted);
}

void TaskSet::send_status(Task& task, const scsi::Response& response, std::uint32_t wanted) {
    auto header = make_header<ScsiResponseHeader>(Opcode::scsi_response);
    header.status = static_cast<std::uint8_t>(response.status);
    header.initiator_task_tag = task.initiator_task_tag;
    header.exp_data_sn = task.expected_out > 0 ? task.next_r2t_sn : task.next_data_in_sn;
    set_residual(header, task.expected(), wanted);
    leave(task);
    number(header, true);
    if (response.sense.empty()) {
        return writer_.add(header);
    }
    const be16 length(static_cast<std::uint16_t>(response.sense.size()));
    writer_.begin(header, sizeof(length) + response.sense.size());
    writer_.append_copy(object_bytes(length));
    writer_.append_copy(response.sense);
    writer_.end();
}

/// The transport itself ends the command with CHECK CONDITION (section 11.4.7.2).
void TaskSet::fail(Task& task, Bytes sense) {
    scsi::Response response;
    response.status = scsi::Status::check_condition;
    response.sense.assign(sense.begin(), sense.end());
    send_status(task, response, 0);
}

void TaskSet::abort(Task& task, std::uint64_t serial) {
    task.abort_serial = serial;
    leave(task);
}

bool TaskSet::drained(std::uint64_t serial) const {
    return std::none_of(tasks_.begin(), tasks_.end(), [&](const auto& task) {
        return task->state == Task::State::aborted && task->abort_serial == serial;
    });
}

/// The task takes part in nothing any more. Its slot is free once its jobs are back.
void TaskSet::leave(Task& task) {
    if (task.state == Task::State::running) {
        --running_;
        ordered_running_ -= task.attribute == TaskAttribute::ordered ? 1 : 0;
    }
    if (task.state == Task::State::blocked) {
        blocked_.erase(&task);
    }
    reads_.erase(&task);
    wants_data_.erase(&task);
    --(task.immediate ? immediate_tasks_ : queued_tasks_);
    tags_[task.slot] = reserved_tag;
    task.state = Task::State::aborted;
    if (task.jobs_out == 0) {
        free(task);
    }
}

void TaskSet::forget_spares() {
    if (free_.size() < tasks_.size() || receiving_into_ != nullptr) {
        return;
    }
    give_up_memory(tasks_);
    give_up_memory(tags_);
    give_up_memory(free_);
    give_up_memory(blocked_);
    give_up_memory(reads_);
    give_up_memory(wants_data_);
    give_up_memory(jobs_);
    give_up_memory(pieces_.pieces);
    give_up_memory(pieces_.buffers);
}

void TaskSet::free(Task& task) {
    for (Burst& burst : task.bursts) {
        if (burst.state != Burst::State::free) {
            close_burst(burst);
        }
    }
    give_back(task.unsolicited);
    private_reads_ -= task.read_buffer.size();
    task.reset();
    free_.push_back(task.slot);
}

} // namespace rootstock::iscsi
