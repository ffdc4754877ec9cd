// The Data-In side of TaskSet: reads and parameter data (RFC 7143 section 11.7).
#include "iscsi/task_set.hpp"

#include "core/checked.hpp"

#include <algorithm>

namespace rootstock::iscsi {

void TaskSet::begin_read(Task& task) {
    task.wanted = static_cast<std::uint32_t>(task.io.length);
    task.transfer = std::min(task.wanted, task.expected_in);
    if (task.transfer == 0) {
        return complete(task);
    }
    reads_.push(&task);
}

void TaskSet::produce() {
    start_unblocked();
    solicit_waiting(); // aborted writes may have left some of the budget
    while (!reads_.empty() && writer_.queued_bytes() < limits::output_bytes && private_reads_ < limits::private_read_bytes) {
        Task& task = *reads_.pop();
        if (produce_from(task)) {
            reads_.push(&task); // the next one's turn
        }
    }
    start_unblocked();
}

/// One burst of `task`. True: more is to come, and nothing has to be waited for.
bool TaskSet::produce_from(Task& task) {
    if (was_aborted(task)) {
        leave(task);
        return false;
    }
    const std::size_t count = std::min<std::size_t>(task.transfer - task.done, limits::read_burst);
    const std::size_t block = task.unit->device().geometry().logical_block_size;
    const std::size_t length = round_up(count, block); // the initiator may take less than whole blocks
    pieces_.clear();
    block::TryRead tried =
        task.unit->device().try_read(task.io.offset + task.done, length, !session_.parameters.data_digest, pieces_);
    switch (tried.status) {
    case block::TryStatus::done:
        send_pieces(task, count);
        return task.state == Task::State::running && task.done < task.transfer;
    case block::TryStatus::would_block:
        pieces_.clear();
        wait_for(task, std::move(tried.miss), length);
        return false;
    case block::TryStatus::failed:
        pieces_.clear();
        task.result.error = tried.error;
        complete(task);
        return false;
    }
    return false;
}

/// A shared chunk is loaded once for all who wait; anything else, or a chunk that does not stay, is read into a buffer of our own.
void TaskSet::wait_for(Task& task, block::Miss miss, std::size_t length) {
    task.job.task = &task;
    task.job.unit = task.unit;
    if (miss.loader && task.loads < limits::load_attempts) {
        ++task.loads;
        task.job.kind = IoJob::Kind::load;
        task.job.miss = std::move(miss);
        return hand_out(task.job);
    }
    task.read_buffer = pool_.acquire(length);
    private_reads_ += task.read_buffer.size();
    task.job.kind = IoJob::Kind::read;
    task.job.offset = task.io.offset + task.done;
    task.job.bytes = task.read_buffer.bytes().first(length);
    hand_out(task.job);
}

void TaskSet::read_finished(Task& task) {
    task.job.miss = {};
    if (task.job.kind == IoJob::Kind::load && !task.job.result.error) {
        reads_.push(&task);
        return;
    }
    if (task.job.result.error) {
        task.result.error = task.job.result.error;
        return complete(task);
    }
    task.loads = 0;
    pieces_.clear();
    pieces_.pieces.push_back({task.job.bytes.data(), task.job.bytes.size()});
    private_reads_ -= task.read_buffer.size();
    pieces_.buffers.push_back(std::move(task.read_buffer));
    send_pieces(task, std::min<std::size_t>(task.transfer - task.done, task.job.bytes.size()));
    if (task.state == Task::State::running && task.done < task.transfer) {
        reads_.push(&task);
    }
}

/// Sends the first `count` bytes of what was read; with the last of them the status goes along when it is GOOD (section 11.7.3).
void TaskSet::send_pieces(Task& task, std::size_t count) {
    piece_ = piece_offset_ = 0;
    const bool last = task.done + count == task.transfer;
    std::optional<scsi::Response> status;
    if (last) {
        status = task.unit->complete(*task.nexus, task.command(), task.io, task.result);
        if (was_aborted(task)) {
            pieces_.clear();
            return leave(task);
        }
    }
    const bool collapse = status && status->status == scsi::Status::good;
    while (count > 0) {
        const std::uint32_t burst_left = session_.parameters.max_burst_length - task.done % session_.parameters.max_burst_length;
        const auto length = static_cast<std::uint32_t>(std::min<std::size_t>(
            {count, session_.parameters.initiator_max_recv_data_segment_length, burst_left}));
        count -= length;
        send_data_in(task, length, collapse && count == 0 ? &*status : nullptr);
        append_pieces(length);
        writer_.end();
        task.done += length;
    }
    for (PooledBuffer& buffer : pieces_.buffers) {
        writer_.keep(std::move(buffer));
    }
    pieces_.clear();
    if (!last) {
        return;
    }
    count_io(task);
    if (collapse) {
        leave(task);
    } else {
        send_status(task, *status, task.wanted);
    }
}

/// The header of a Data-In with the next `length` bytes. `status`: it is the last one and carries it.
void TaskSet::send_data_in(Task& task, std::uint32_t length, const scsi::Response* status) {
    auto header = make_header<DataInHeader>(Opcode::data_in);
    const std::uint32_t end = task.done + length;
    const bool sequence_ends = end == task.transfer || end % session_.parameters.max_burst_length == 0;
    header.flags = sequence_ends ? final_bit : std::uint8_t{0};
    header.initiator_task_tag = task.initiator_task_tag;
    header.target_transfer_tag = reserved_tag;
    header.data_sn = task.next_data_in_sn++;
    header.buffer_offset = task.done;
    if (status != nullptr) {
        header.flags |= DataInHeader::status_bit;
        header.status = static_cast<std::uint8_t>(status->status);
        set_residual(header, task.expected(), task.wanted);
    }
    number(header, status != nullptr);
    writer_.begin(header, length);
}

void TaskSet::append_pieces(std::size_t count) {
    while (count > 0) {
        RS_ASSERT(piece_ < pieces_.pieces.size());
        const ReadPieces::Piece& piece = pieces_.pieces[piece_];
        const std::size_t size = std::min(count, piece.size - piece_offset_);
        if (piece.data == nullptr) {
            writer_.append_zeros(size);
        } else {
            writer_.append({piece.data + piece_offset_, size});
        }
        count -= size;
        piece_offset_ += size;
        if (piece_offset_ == piece.size) {
            ++piece_;
            piece_offset_ = 0;
        }
    }
}

void TaskSet::send_parameter_data(Task& task, const scsi::Response& response) {
    task.wanted = static_cast<std::uint32_t>(response.data_in.size());
    task.transfer = std::min(task.wanted, task.expected_in);
    task.done = 0;
    const bool collapse = response.status == scsi::Status::good && task.transfer > 0;
    while (task.done < task.transfer) {
        const std::uint32_t limit =
            std::min(session_.parameters.initiator_max_recv_data_segment_length,
                     session_.parameters.max_burst_length - task.done % session_.parameters.max_burst_length);
        const std::uint32_t length = std::min(task.transfer - task.done, limit);
        const bool last = task.done + length == task.transfer;
        send_data_in(task, length, collapse && last ? &response : nullptr);
        writer_.append_copy(Bytes(response.data_in).subspan(task.done, length));
        writer_.end();
        task.done += length;
    }
    if (collapse) {
        leave(task);
    } else {
        send_status(task, response, task.wanted);
    }
}

} // namespace rootstock::iscsi
