// TaskSet: the commands of one session and their data (RFC 7143 sections 4.2.5, 11.3 to 11.8). Starts each command when its unsolicited data
// are there, solicits the rest, performs reads and writes at once where they do not block and hands out IoJobs where they do, and queues
// Data-In, R2T and status. No I/O of its own, one owner, one shard.
//
// Memory: unsolicited data are bounded by window times FirstBurstLength, everything else by named budgets; a large READ is produced piece by
// piece as output drains (produce()).
#pragma once

#include "iscsi/fifo.hpp"
#include "iscsi/pdu_reader.hpp"
#include "iscsi/pdu_writer.hpp"
#include "iscsi/session.hpp"
#include "iscsi/task.hpp"

#include <algorithm>

namespace rootstock::iscsi {

/// Takes the pieces of one read: what the device maps, fills or leaves zero.
class ReadPieces final : public block::ReadSink {
  public:
    struct Piece {
        const std::uint8_t* data; // null: zeros
        std::size_t size;
    };
    explicit ReadPieces(BufferPool& pool) : pool_(pool) {}

    void mapped(Bytes bytes) override { pieces.push_back({bytes.data(), bytes.size()}); }
    MutableBytes buffer(std::size_t size) override;
    void zeros(std::size_t size) override { pieces.push_back({nullptr, size}); }
    void clear();

    std::vector<Piece> pieces;
    std::vector<PooledBuffer> buffers;

  private:
    BufferPool& pool_;
};

class TaskSet {
  public:
    /// Why a PDU was not taken; the connection turns it into a Reject.
    using Taken = Result<void, RejectReason>;

    TaskSet(BufferPool& pool, PduWriter& writer, Session& session);

    /// A SCSI Command whose turn it is. `segment`: owns pdu.data when the reader received it there.
    [[nodiscard]] Taken scsi_command(const Pdu& pdu, PooledBuffer segment);
    [[nodiscard]] Taken data_out(const Pdu& pdu);
    /// Where the data of a PDU that has begun to arrive should go: of a Data-Out its burst. Empty: nowhere in particular.
    [[nodiscard]] MutableBytes destination_of(const BasicHeader& header);
    /// That PDU is complete: its buffer need not be kept any longer.
    void destination_done();
    /// How large a buffer serves this command best, if its data must be collected.
    [[nodiscard]] std::size_t segment_size(const BasicHeader& header) const;

    /// Queues Data-In of the reads in turn until the output is full.
    void produce();

    /// The next call to run off the shard; give it back with finished().
    [[nodiscard]] IoJob* poll_job();
    void finished(IoJob& job);

    /// Aborts the tasks that `matches`: no status, no further effect once drained(serial) is true.
    template <class Matches> void abort_if(Matches matches, std::uint64_t serial) {
        for (const auto& task : tasks_) {
            if (task->state != Task::State::free && task->state != Task::State::aborted && matches(*task)) {
                abort(*task, serial);
            }
        }
        start_unblocked();
    }
    void abort_all() {
        abort_if([](const Task&) { return true; }, 0);
    }
    [[nodiscard]] bool drained(std::uint64_t serial) const;
    [[nodiscard]] Task* find(std::uint32_t initiator_task_tag);

    /// Gives up the memory of slots and queues when no task is there.
    void forget_spares();

    /// How many more commands may be sent to us.
    [[nodiscard]] std::uint32_t free_slots() const { return limits::command_window - std::min(limits::command_window, queued_tasks_); }
    [[nodiscard]] bool jobs_out() const { return jobs_out_ > 0; }

  private:
    // task_set.cpp: the life of a task
    [[nodiscard]] Task* new_task(const Pdu& pdu);
    void arrived(Task& task, Bytes data);
    [[nodiscard]] bool may_start(const Task& task) const;
    void start(Task& task, Bytes data);
    void start_unblocked();
    void take_step(Task& task, scsi::Step step, Bytes data);
    void take_io(Task& task, scsi::BlockIo io, Bytes data);
    void perform_off_shard(Task& task);
    void complete(Task& task);
    void count_io(const Task& task);
    void respond(Task& task, const scsi::Response& response);
    void send_status(Task& task, const scsi::Response& response, std::uint32_t wanted);
    void fail(Task& task, Bytes sense);
    void hand_out(IoJob& job);
    void abort(Task& task, std::uint64_t serial);
    void leave(Task& task);
    void free(Task& task);
    [[nodiscard]] static bool was_aborted(const Task& task);
    template <class Header> void number(Header& header, bool takes_stat_sn) {
        session_.window.open_for(free_slots());
        session_.number(header, takes_stat_sn);
    }

    // data_in.cpp
    void begin_read(Task& task);
    void send_parameter_data(Task& task, const scsi::Response& response);
    [[nodiscard]] bool produce_from(Task& task);
    void wait_for(Task& task, block::Miss miss, std::size_t length);
    void read_finished(Task& task);
    void send_pieces(Task& task, std::size_t count);
    void send_data_in(Task& task, std::uint32_t length, const scsi::Response* status);
    void append_pieces(std::size_t count);

    // data_out.cpp
    void begin_write(Task& task, Bytes data);
    void begin_parameters(Task& task, std::uint32_t length, Bytes data);
    [[nodiscard]] Taken take_unsolicited(Task& task, const DataOutHeader& header, const Pdu& pdu);
    [[nodiscard]] Taken take_solicited(Task& task, Burst& burst, const DataOutHeader& header, const Pdu& pdu);
    [[nodiscard]] Burst* burst_of(std::uint32_t target_transfer_tag);
    void solicit(Task& task);
    void solicit_waiting();
    Burst& open_burst(Task& task, std::uint32_t length, Bytes prefix);
    void send_r2t(Task& task, Burst& burst);
    void burst_complete(Task& task, Burst& burst);
    void write_off_shard(Task& task, Burst& burst);
    void burst_written(Task& task, Burst& burst);
    void close_burst(Burst& burst);
    void give_back(PooledBuffer& buffer);

    BufferPool& pool_;
    PduWriter& writer_;
    Session& session_;
    std::vector<std::unique_ptr<Task>> tasks_;
    std::vector<std::uint32_t> tags_;     // by slot: reserved_tag when free; searched without touching the tasks
    std::vector<std::uint32_t> free_;     // slots
    std::uint32_t queued_tasks_ = 0;      // count against the window
    std::uint32_t immediate_tasks_ = 0;
    std::uint32_t running_ = 0;
    std::uint32_t ordered_running_ = 0;
    Fifo<Task*> blocked_;           // behind an ORDERED task, in order
    Fifo<Task*> reads_;             // in turn
    Fifo<Task*> wants_data_;        // writes that wait for the budget
    Fifo<IoJob*> jobs_;             // to be polled
    std::uint32_t jobs_out_ = 0;          // polled or to be polled
    std::size_t solicited_ = 0;           // bytes in bursts
    std::size_t private_reads_ = 0;       // bytes in read buffers
    std::uint32_t tag_sequence_ = 0;
    PooledBuffer* receiving_into_ = nullptr; // a buffer that the reader is filling: it must outlive its task
    PooledBuffer parked_;                    // such a buffer, of a task that has ended
    ReadPieces pieces_;
    std::size_t piece_ = 0;               // how far append_pieces() has come
    std::size_t piece_offset_ = 0;
};

} // namespace rootstock::iscsi
