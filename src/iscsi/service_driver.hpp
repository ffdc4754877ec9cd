// Driver: one connection's socket, timer and jobs; drives a Connection on its shard. Private to the service.
#pragma once

#include "block/single_flight.hpp"
#include "iscsi/connection.hpp"
#include "iscsi/service.hpp"
#include "net/asio.hpp"
#include "net/offload.hpp"
#include "net/runtime.hpp"

namespace rootstock::iscsi {

class Driver;

/// One per shard, so that no cache line is shared. Written by the shard alone; the counters are read by anyone.
struct alignas(64) ShardState {
    std::atomic<std::uint64_t> receives{0}, sends{0}, waits{0}, jobs{0}, received_bytes{0}, sent_bytes{0};
    std::array<iovec, limits::gather_pieces> gather; // of the sendmsg being made
};

/// What all drivers share; outlives them.
struct DriverContext {
    net::Offload& offload;
    Log& log;
    const Clock& clock;
    Random& random;
    const ServiceConfig& config;
    TargetProvider& provider;
    SessionRegistry registry;
    block::SingleFlight single_flight;
    std::vector<std::string> portals; // for SendTargets
    std::function<void(Driver&)> on_login;
    std::function<void(Driver&)> on_gone; // the last word of a driver
};

class Driver final : public std::enable_shared_from_this<Driver> {
  public:
    Driver(DriverContext& context, net::Shard& shard, ShardState& state, net::TcpSocket socket, net::ShardLoad load,
           const Login::Portal& portal, const std::vector<std::string>& portals);

    /// On the shard.
    void start();
    /// Any thread.
    [[nodiscard]] SessionRegistry::End end_function();
    void abandon();

    [[nodiscard]] const std::string& remote_address() const { return portal_.remote_address; }
    bool counted_before_login = true; // the service's own note, under its lock

  private:
    /// Carries a job to the pool and back; owned by itself while it is out.
    struct OffloadJob final : net::Offload::Job {
        void work() noexcept override { job->run(); }
        void done() noexcept override;
        std::shared_ptr<Driver> driver;
        IoJob* job = nullptr;
    };

    void turn();
    [[nodiscard]] bool receive();
    void note_activity();
    void flush();
    void send_queued();
    void send_failed(int error);
    void settle();
    void report();
    void report_reject();
    void start_jobs();
    void start_job(IoJob& job);
    void start_load(IoJob& job);
    void job_done(IoJob& job);
    void open_target(OpenRequest request);
    void open_admitted();
    void target_opened(Result<Target, LoginStatus> target);
    void wait_for(net::TcpSocket::wait_type what);
    void take_another_turn();
    [[nodiscard]] bool over() const { return over_ || connection_.phase() == Connection::Phase::over; }
    void arm_timer();
    void set_timer(TimePoint due);
    void close();

    DriverContext& context_;
    net::Shard& shard_;
    ShardState& state_;
    net::TcpSocket socket_;
    net::ShardLoad load_;
    Login::Portal portal_;
    std::vector<std::string> portals_;
    Connection connection_;
    net::Timer timer_;
    std::optional<TimePoint> timer_due_;
    std::vector<std::unique_ptr<OffloadJob>> spare_jobs_;
    Fifo<IoJob*> refused_jobs_; // the pool's queue was full: tried again soon
    std::optional<OpenRequest> opening_;
    SessionRegistry::Admission admission_;
    std::shared_ptr<SessionCounters> session_counters_;
    TimePoint activity_noted_{};
    bool reject_told_ = false;
    bool waiting_for_input_ = false;
    bool waiting_for_room_ = false; // a wait for input may be under way too: what an idle connection began before its reads were back
    std::size_t turn_sent_ = 0;  // bytes, in this turn
    bool blocked_ = false;     // the socket takes no more output: nothing is read until it does
    bool more_input_ = false;  // the last receive filled its window
    bool turn_posted_ = false;
    bool opening_target_ = false;
    bool over_ = false;
    bool gone_ = false; // the session has left the registry
};

} // namespace rootstock::iscsi
