#include "iscsi/service_driver.hpp"

#include "core/text.hpp"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>

namespace rootstock::iscsi {

namespace {

constexpr std::chrono::milliseconds refused_job_pause{10};

void count(std::atomic<std::uint64_t>& counter, std::uint64_t value = 1) {
    counter.store(counter.load(std::memory_order_relaxed) + value, std::memory_order_relaxed); // one writer: the shard
}

std::string status_text(LoginStatus status) {
    const be16 code(static_cast<std::uint16_t>(status));
    return "0x" + hex(object_bytes(code));
}

template <class Code> std::string byte_text(Code code) { return "0x" + hex(Bytes(std::array{static_cast<std::uint8_t>(code)})); }

} // namespace

Driver::Driver(DriverContext& context, net::Shard& shard, ShardState& state, net::TcpSocket socket, net::ShardLoad load,
               const Login::Portal& portal, const std::vector<std::string>& portals)
    : context_(context), shard_(shard), state_(state), socket_(std::move(socket)), load_(std::move(load)), portal_(portal),
      portals_(portals), connection_({context.provider, context.registry, shard.pool(), context.random, context.config.limits, portals_},
                                     portal, context.clock.now()),
      timer_(shard.context()) {}

void Driver::start() { settle(); }

SessionRegistry::End Driver::end_function() {
    // Only the shard takes a reference: a Driver dies where its buffers live.
    return [weak = weak_from_this(), &home = shard_.context()](EndReason reason) {
        net::asio::post(home, [weak, reason] {
            if (const auto self = weak.lock(); self && !self->over_) {
                self->connection_.end(self->context_.clock.now(), reason);
                self->flush();
                self->settle();
            }
        });
    };
}

void Driver::abandon() {
    net::asio::post(shard_.context(), [weak = weak_from_this()] {
        if (const auto self = weak.lock(); self && !self->over_) {
            self->connection_.input_ended("the server stops");
            self->settle();
        }
    });
}

/// One round: receive, handle, answer; a few times, then it is the next connection's turn.
void Driver::turn() {
    flush();
    bool drained = false;
    for (unsigned i = 0; i < limits::receives_per_turn && turn_sent_ < limits::turn_bytes && !drained && !blocked_ && !over() &&
                         connection_.wants_input();
         ++i) {
        drained = !receive();
        start_jobs();
        send_queued();
    }
    settle();
}

/// One receive, of everything that fits. False: the socket is empty now, or the connection is over.
bool Driver::receive() {
    const auto windows = connection_.rx_windows();
    std::array<iovec, 2> pieces{{{windows[0].data(), windows[0].size()}, {windows[1].data(), windows[1].size()}}};
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = windows[1].empty() ? 1 : 2;
    const ssize_t received = ::recvmsg(socket_.native_handle(), &message, MSG_DONTWAIT);
    count(state_.receives);
    more_input_ = false;
    if (received > 0) {
        const auto size = static_cast<std::size_t>(received);
        count(state_.received_bytes, size);
        connection_.rx_commit(context_.clock.now(), size);
        note_activity();
        more_input_ = size == windows[0].size() + windows[1].size(); // a partly filled window: nothing more is there
        return more_input_;
    }
    if (received == 0) {
        connection_.input_ended("closed by the initiator");
    } else if (errno != EAGAIN && errno != EINTR) {
        connection_.input_ended(std::strerror(errno)); // NOLINT(concurrency-mt-unsafe): glibc's is thread-safe for known numbers
    }
    return false;
}

/// For people: to the second is enough, and the calendar is not asked at every receive.
void Driver::note_activity() {
    const TimePoint now = context_.clock.now();
    if (session_counters_ && now - activity_noted_ >= std::chrono::seconds(1)) {
        activity_noted_ = now;
        session_counters_->last_activity_ms.store(unix_ms(context_.clock.wall()), std::memory_order_relaxed);
    }
}

void Driver::flush() {
    turn_sent_ = 0;
    send_queued();
}

/// What is queued, in as few calls as the socket allows, until this turn is used up.
void Driver::send_queued() {
    while (turn_sent_ < limits::turn_bytes && !blocked_ && !over() && !connection_.output().empty()) {
        const std::size_t pieces = connection_.output().gather(state_.gather, limits::gather_bytes);
        msghdr message{};
        message.msg_iov = state_.gather.data();
        message.msg_iovlen = pieces;
        const ssize_t sent = ::sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        count(state_.sends);
        if (sent < 0) {
            return send_failed(errno);
        }
        count(state_.sent_bytes, static_cast<std::uint64_t>(sent));
        turn_sent_ += static_cast<std::size_t>(sent);
        connection_.sent(context_.clock.now(), static_cast<std::size_t>(sent));
        start_jobs();
    }
}

void Driver::send_failed(int error) {
    if (error == EAGAIN || error == EINTR) {
        blocked_ = true; // settle() waits for room
        return;
    }
    if (error == EFAULT) { // a master was truncated under its mapping: this connection ends, the process lives
        context_.log.error("iscsi.mapping.lost", {{"session", connection_.session().id}, {"target", connection_.login_request().target_name}});
    }
    connection_.input_ended(std::strerror(error)); // NOLINT(concurrency-mt-unsafe)
}

/// After anything happened: reports, jobs, and what to wait for next.
void Driver::settle() {
    report();
    if (over_) {
        return;
    }
    if (auto request = connection_.poll_open()) {
        open_target(std::move(*request));
    }
    if (connection_.take_cold_reset()) { // RFC 7143 section 11.5.1: all sessions of the target end
        context_.registry.end_all_of(connection_.login_request().target_name, EndReason::target_removed);
    }
    start_jobs();
    if (connection_.phase() == Connection::Phase::over) {
        return close();
    }
    if (blocked_) {
        wait_for(net::TcpSocket::wait_write);
    } else if (!connection_.output().empty() || more_input_) {
        take_another_turn();
    } else if (connection_.wants_input()) {
        wait_for(net::TcpSocket::wait_read);
    }
    arm_timer();
}

void Driver::wait_for(net::TcpSocket::wait_type what) {
    bool& waiting = what == net::TcpSocket::wait_write ? waiting_for_room_ : waiting_for_input_;
    if (std::exchange(waiting, true)) {
        return;
    }
    count(state_.waits);
    socket_.async_wait(what, [self = shared_from_this(), &waiting](const boost::system::error_code& error) {
        waiting = false;
        if (!error && !self->over_) {
            self->blocked_ = false;
            self->turn();
        }
    });
}

/// There is more to do, but others come first.
void Driver::take_another_turn() {
    if (std::exchange(turn_posted_, true)) {
        return;
    }
    net::asio::post(shard_.context(), [self = shared_from_this()] {
        self->turn_posted_ = false;
        if (!self->over_) {
            self->turn();
        }
    });
}

/// Tells what became of the connection, once each.
void Driver::report() {
    report_reject();
    const auto event = connection_.poll_event();
    if (!event) {
        return;
    }
    const LoginRequest& who = connection_.login_request();
    switch (event->kind) {
    case ConnectionEvent::Kind::login_refused:
        context_.log.warning("iscsi.login.refused", {{"initiator", who.initiator_name},
                                                     {"target", who.target_name},
                                                     {"address", who.remote_address},
                                                     {"status", status_text(event->status)},
                                                     {"reason", event->reason}});
        break;
    case ConnectionEvent::Kind::login_redirected:
        context_.log.info("iscsi.login.redirected", {{"initiator", who.initiator_name},
                                                     {"target", who.target_name},
                                                     {"address", who.remote_address},
                                                     {"to", event->reason}});
        break;
    case ConnectionEvent::Kind::session_started: {
        const Session& session = connection_.session();
        context_.log.info("iscsi.login.accepted", {{"session", session.id},
                                                   {"initiator", who.initiator_name},
                                                   {"target", who.target_name},
                                                   {"address", who.remote_address},
                                                   {"tsih", session.tsih}});
        context_.on_login(*this);
        if (session.lease) {
            session.lease->started([&registry = context_.registry, id = session.id](EndReason reason) { registry.end(id, reason); });
        }
        break;
    }
    case ConnectionEvent::Kind::ended:
        if (connection_.session().id == 0) {
            context_.log.info("iscsi.connection.ended", {{"address", who.remote_address}, {"reason", event->reason}});
            break;
        }
        context_.log.info("iscsi.session.ended", {{"session", connection_.session().id},
                                                  {"initiator", who.initiator_name},
                                                  {"target", who.target_name},
                                                  {"address", who.remote_address},
                                                  {"reason", event->reason}});
        break;
    }
}

/// The first of a session for everybody, the others for who looks closely: an initiator could fill the log with them.
void Driver::report_reject() {
    const auto rejected = connection_.poll_rejected();
    if (!rejected) {
        return;
    }
    const Level level = std::exchange(reject_told_, true) ? Level::debug : Level::warning;
    context_.log.write(level, "iscsi.pdu.rejected", {{"session", connection_.session().id},
                                                     {"address", connection_.login_request().remote_address},
                                                     {"opcode", byte_text(rejected->opcode)},
                                                     {"reason", byte_text(rejected->reason)}});
}

void Driver::start_jobs() {
    while (IoJob* job = connection_.poll_job()) {
        start_job(*job);
    }
}

void Driver::start_job(IoJob& job) {
    count(state_.jobs);
    if (job.kind == IoJob::Kind::load) {
        return start_load(job);
    }
    if (spare_jobs_.empty()) {
        spare_jobs_.push_back(std::make_unique<OffloadJob>());
    }
    OffloadJob* carrier = spare_jobs_.back().get();
    carrier->driver = shared_from_this();
    carrier->job = &job;
    if (!context_.offload.submit(shard_.context(), *carrier)) {
        carrier->driver.reset();
        refused_jobs_.push(&job);
        return set_timer(context_.clock.now() + refused_job_pause);
    }
    static_cast<void>(spare_jobs_.back().release()); // comes back in done()
    spare_jobs_.pop_back();
}

void Driver::OffloadJob::done() noexcept {
    const std::shared_ptr<Driver> owner = std::move(driver);
    owner->spare_jobs_.emplace_back(this);
    owner->job_done(*job);
}

/// All sessions that miss the same chunk of a master share one load.
void Driver::start_load(IoJob& job) {
    auto loaded = [self = shared_from_this(), &job](Result<void, block::IoError> outcome) mutable {
        std::optional<block::IoError> error;
        if (!outcome) {
            error = outcome.error();
        }
        auto& home = self->shard_.context();
        net::asio::post(home, [owner = std::move(self), &job, error] {
            job.result.error = error;
            owner->job_done(job);
        });
    };
    context_.single_flight.join(job.miss, std::move(loaded), [this](std::function<void()> load) {
        if (!context_.offload.run(shard_.context(), load, [] {})) {
            load(); // the pool is overrun: the waiters of other shards must not wait for ever
        }
    });
}

void Driver::job_done(IoJob& job) {
    connection_.job_finished(job);
    if (over_) {
        return close();
    }
    flush();
    settle();
}

void Driver::open_target(OpenRequest request) {
    opening_ = std::move(request);
    opening_target_ = true;
    session_counters_ = std::make_shared<SessionCounters>();
    session_counters_->last_activity_ms.store(unix_ms(context_.clock.wall()), std::memory_order_relaxed);
    auto ready = [weak = weak_from_this(), &home = shard_.context()] {
        net::asio::post(home, [weak] {
            if (const auto self = weak.lock()) {
                self->open_admitted();
            }
        });
    };
    admission_ = context_.registry.admit(opening_->request, session_counters_, context_.clock.wall(), end_function(), std::move(ready));
    if (admission_.id == 0) {
        target_opened(LoginStatus::out_of_resources);
    }
}

/// No older session of this initiator port is left (RFC 7143 section 6.3.5).
void Driver::open_admitted() {
    if (over_) {
        opening_target_ = false;
        return close();
    }
    if (opening_->type == SessionType::discovery) {
        return target_opened(Target{});
    }
    auto open = [&provider = context_.provider, request = std::move(*opening_)] {
        return provider.open(request.request, request.chap_user);
    };
    auto opened = [self = shared_from_this()](Result<Target, LoginStatus> target) { self->target_opened(std::move(target)); };
    if (!context_.offload.run(shard_.context(), std::move(open), std::move(opened))) {
        target_opened(LoginStatus::out_of_resources);
    }
}

void Driver::target_opened(Result<Target, LoginStatus> target) {
    opening_target_ = false;
    connection_.opened(context_.clock.now(), std::move(target), admission_, session_counters_);
    if (over_) {
        return close();
    }
    flush();
    settle();
    turn(); // requests may have followed the login already
}

void Driver::arm_timer() {
    if (const auto due = connection_.next_timeout(); due && (!timer_due_ || *due < *timer_due_)) {
        set_timer(*due);
    }
}

/// An armed timer that is too early does no harm: it looks again.
void Driver::set_timer(TimePoint due) {
    timer_due_ = due;
    timer_.expires_after(std::max(due - context_.clock.now(), Duration::zero()));
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        if (error || self->over_) {
            return;
        }
        self->timer_due_.reset();
        for (std::size_t i = self->refused_jobs_.size(); i > 0; --i) {
            self->start_job(*self->refused_jobs_.pop());
        }
        self->connection_.handle_timeout(self->context_.clock.now());
        self->flush();
        self->settle();
    });
}

/// The connection is over: the socket goes at once, the session when its last job is back.
void Driver::close() {
    if (!std::exchange(over_, true)) {
        boost::system::error_code ignored; // the socket is gone either way
        socket_.close(ignored);
        timer_.cancel();
        timer_due_.reset();
        // Jobs that the pool had no room for will not run: as if they had ended.
        while (!refused_jobs_.empty()) {
            connection_.job_finished(*refused_jobs_.pop());
        }
    }
    if (connection_.jobs_out() || opening_target_ || gone_) {
        return;
    }
    gone_ = true;
    connection_.release_session();
    context_.registry.remove(admission_.id);
    context_.on_gone(*this);
}

} // namespace rootstock::iscsi
