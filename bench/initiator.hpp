// A small, fast iSCSI initiator for load: one connection, a fixed queue depth, READ(10) or WRITE(10) without end. It checks statuses and
// lengths, and nothing else. One thread drives many of them.
#pragma once

#include "core/random.hpp"
#include "iscsi/bhs.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace rootstock::bench {

struct Workload {
    bool write = false;
    bool sequential = false;
    bool data_digest = false;
    std::uint32_t block_bytes = 4096;
    std::uint32_t queue = 1;
    std::uint64_t span_bytes = 64ULL << 20U; // the part of the disk that is used
};

struct Portal {
    std::string address = "127.0.0.1";
    std::uint16_t port = 3260;
    std::string target;
    std::uint8_t lun = 0;
};

class Initiator {
  public:
    /// Connects. Ends the program with a message when anything is not as it should be, here and below.
    Initiator(const Portal& portal, const Workload& workload, unsigned number);
    ~Initiator();
    Initiator(const Initiator&) = delete;
    Initiator& operator=(const Initiator&) = delete;

    /// The login, in two halves so that many can be under way at once. Blocking.
    void send_login();
    void finish_login();
    /// Takes the pending unit attention. Blocking.
    void test_unit_ready();

    /// Fills the queue; from now on the socket does not block.
    void start();
    /// The socket can be read or written: completes what has come, and sends as many new commands.
    void on_ready();

    [[nodiscard]] int socket() const { return socket_; }
    [[nodiscard]] bool wants_to_write() const { return sent_ < output_.size(); }
    [[nodiscard]] std::uint64_t completed() const { return completed_; }
    /// Nanoseconds of each completed command; the caller clears it when its measurement begins.
    [[nodiscard]] std::vector<std::uint32_t>& latencies() { return latencies_; }

  private:
    void send_blocking(Bytes bytes);
    iscsi::BasicHeader receive_blocking(ByteVector& data);
    void issue(std::uint32_t slot);
    void issue_held_back();
    void flush();
    void take(Bytes input);
    void take_header(const iscsi::BasicHeader& header);
    void complete(std::uint32_t slot);
    [[nodiscard]] std::uint32_t next_lba();

    const Portal portal_;
    const Workload workload_;
    const unsigned number_;
    int socket_ = -1;
    std::uint32_t cmd_sn_ = 1;
    std::uint32_t exp_stat_sn_ = 0;
    std::uint32_t max_cmd_sn_ = 0;          // the target's window (RFC 7143 section 4.2.2.1)
    std::vector<std::uint32_t> held_back_; // slots whose command is beyond it
    SeededRandom random_;
    std::uint64_t position_ = 0;
    ByteVector payload_;
    std::uint32_t payload_digest_ = 0;
    ByteVector output_;
    std::size_t sent_ = 0;
    ByteVector input_;
    std::size_t filled_ = 0;
    std::size_t to_skip_ = 0; // of the data segment that is arriving
    std::vector<std::chrono::steady_clock::time_point> started_;
    std::vector<std::uint32_t> latencies_;
    std::uint64_t completed_ = 0;
};

} // namespace rootstock::bench
