// Connection: the whole target side of one iSCSI connection without I/O (RFC 7143): login, full feature phase, keep-alive, the end. Since a
// session has one connection (MaxConnections=1, ErrorRecoveryLevel 0), it also is the session's life.
//
// The driver: receives into rx_windows() while wants_input(), says rx_commit(); sends output(), says sent(); runs poll_job() elsewhere and
// gives it back with job_finished(); opens the target when poll_open() says so; calls handle_timeout() at next_timeout(). After each call
// it looks at poll_event() and phase(). One owner, one shard; must not be destroyed while jobs_out().
#pragma once

#include "iscsi/discovery.hpp"
#include "iscsi/login.hpp"
#include "iscsi/pdu_reader.hpp"
#include "iscsi/pdu_writer.hpp"
#include "iscsi/task_management.hpp"
#include "iscsi/task_set.hpp"

namespace rootstock::iscsi {

struct ConnectionEvent {
    enum class Kind : std::uint8_t { login_refused, login_redirected, session_started, ended };
    Kind kind = Kind::ended;
    LoginStatus status = LoginStatus::success; // login_refused
    std::string_view reason;                   // login_redirected: the address; valid as long as the connection
};

/// A PDU that was answered with Reject.
struct Rejected {
    RejectReason reason;
    Opcode opcode;
};

/// The initiator has proved who it is: open the target (admission to the registry first), then call opened().
struct OpenRequest {
    LoginRequest request;
    std::string chap_user;
    SessionType type = SessionType::normal;
};

class Connection {
  public:
    struct Environment {
        TargetProvider& provider;
        const SessionRegistry& registry;
        BufferPool& pool;
        Random& random;
        const Limits& limits;
        const std::vector<std::string>& portals; // for SendTargets
    };
    enum class Phase : std::uint8_t {
        login,
        opening,      // the last Login Request waits for the target
        full_feature,
        flushing,     // nothing is read any more; over when the output is empty
        over,
    };

    Connection(const Environment& environment, const Login::Portal& portal, TimePoint now);

    [[nodiscard]] bool wants_input() const;
    [[nodiscard]] std::array<MutableBytes, 2> rx_windows() { return reader_.rx_windows(); }
    void rx_commit(TimePoint now, std::size_t count);
    /// The peer closed its side, or the transport failed.
    void input_ended(std::string_view reason);

    [[nodiscard]] const PduWriter& output() const { return writer_; }
    void sent(TimePoint now, std::size_t count);

    [[nodiscard]] std::optional<OpenRequest> poll_open();
    void opened(TimePoint now, Result<Target, LoginStatus> target, SessionRegistry::Admission admission,
                std::shared_ptr<SessionCounters> counters);

    [[nodiscard]] IoJob* poll_job();
    void job_finished(IoJob& job);
    [[nodiscard]] bool jobs_out() const { return tasks_.jobs_out() || management_.jobs_out(); }

    /// Ends the session from outside.
    void end(TimePoint now, EndReason reason);

    [[nodiscard]] std::optional<TimePoint> next_timeout() const;
    void handle_timeout(TimePoint now);

    [[nodiscard]] std::optional<ConnectionEvent> poll_event() { return std::exchange(event_, std::nullopt); }
    /// The last Reject since the last call.
    [[nodiscard]] std::optional<Rejected> poll_rejected() { return std::exchange(rejected_, std::nullopt); }
    [[nodiscard]] bool take_cold_reset() { return management_.take_cold_reset(); }
    [[nodiscard]] Phase phase() const { return phase_; }
    [[nodiscard]] const Session& session() const { return session_; }
    [[nodiscard]] Session& session() { return session_; }
    /// Gives up units and lease. The connection is over and no job is out.
    void release_session();
    [[nodiscard]] const LoginRequest& login_request() const { return login_->request(); }

  private:
    using Taken = TaskSet::Taken;

    void advance();
    [[nodiscard]] bool parse_one();
    void choose_destination();
    void handle_pdu(const Pdu& pdu);
    void finish(std::string_view reason);
    void abandon(std::string_view reason);
    void read_failed();
    void forget_spares();

    // connection_login.cpp
    void handle_login(const Pdu& pdu);
    void send_login_reply(const LoginReply& reply);
    void enter_full_feature();

    // connection_commands.cpp
    void handle_request(const Pdu& pdu);
    [[nodiscard]] bool take_turn(const Pdu& pdu);
    void hold(const Pdu& pdu, std::uint32_t cmd_sn);
    void count_as_received(std::uint32_t cmd_sn);
    void replay_held();
    void dispatch(const Pdu& pdu);
    [[nodiscard]] Taken take_request(const Pdu& pdu);
    [[nodiscard]] Taken task_management(const Pdu& pdu);
    [[nodiscard]] Taken nop_out(const Pdu& pdu);
    [[nodiscard]] Taken logout(const Pdu& pdu);
    void send_ping();
    [[nodiscard]] std::chrono::seconds ping_answer_time() const;
    void send_async(std::uint8_t event, std::uint16_t parameter3);
    void reject(const Pdu& pdu, RejectReason reason);
    template <class Header> void number(Header& header, bool takes_stat_sn) {
        session_.window.open_for(tasks_.free_slots());
        session_.number(header, takes_stat_sn);
    }

    struct HeldPdu { // came before its turn (CmdSN)
        BasicHeader header;
        ByteVector ahs;
        ByteVector data;
        std::uint32_t cmd_sn;
    };

    BufferPool& pool_;
    const Limits& limits_;
    std::uint16_t portal_group_tag_;
    Phase phase_ = Phase::login;
    PduReader reader_;
    PduWriter writer_;
    Session session_;
    TaskSet tasks_;
    TaskManagement management_;
    TextExchange text_;
    std::unique_ptr<Login> login_;
    LoginRequestHeader login_header_{}; // the last one
    bool login_begun_ = false;
    bool open_wanted_ = false;
    PooledBuffer segment_;              // a data segment that arrives and belongs to no task yet
    std::vector<HeldPdu> held_;

    TimePoint started_;
    TimePoint last_heard_;
    std::optional<TimePoint> ping_deadline_;
    std::optional<TimePoint> end_deadline_; // logout was asked for, or the output must be gone
    std::optional<ConnectionEvent> event_;
    std::optional<Rejected> rejected_;
};

} // namespace rootstock::iscsi
