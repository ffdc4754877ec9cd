#include "isns/registrant.hpp"

#include "isns/limits.hpp"

#include <algorithm>

namespace rootstock::isns {

Registrant::Registrant(Identity identity) : identity_(std::move(identity)), period_(period_wanted) {}

void Registrant::handle_input(TimePoint now, const Input& input) {
    std::visit([&](const auto& one) { take(now, one); }, input);
}

std::optional<Output> Registrant::poll_output() {
    if (outputs_.empty()) {
        return std::nullopt;
    }
    Output output = std::move(outputs_.front());
    outputs_.pop_front();
    return output;
}

std::optional<TimePoint> Registrant::next_timeout() const { return due_; }

void Registrant::handle_timeout(TimePoint now) {
    if (!due_ || now < *due_) {
        return;
    }
    if (state_ == State::idle) {
        begin(now);
    } else {
        fail(now, state_ == State::connecting ? "no connection in time" : "no answer in time");
    }
}

/// A server that fails is not asked more often because our targets change.
void Registrant::take(TimePoint now, const TargetsChanged& changed) {
    if (changed.targets == targets_ || stopping_) {
        return;
    }
    targets_ = changed.targets;
    if (state_ == State::idle && failures_ == 0) {
        due_ = now;
    }
}

void Registrant::take(TimePoint now, const Connected&) {
    if (state_ != State::connecting) {
        return;
    }
    state_ = State::exchanging;
    make_requests();
    if (requests_.empty()) { // our targets went while the connection was made
        succeed(now);
    } else {
        send_next(now);
    }
}

void Registrant::take(TimePoint now, const Received& received) {
    if (state_ != State::exchanging) {
        return;
    }
    const auto response = reader_.take(received.bytes);
    if (!response) {
        fail(now, describe(response.error()));
    } else if (*response) {
        accept(now, **response);
    }
}

void Registrant::take(TimePoint now, const Failed& failed) {
    if (state_ != State::idle) {
        fail(now, failed.reason);
    }
}

/// A server that fails is not waited for.
void Registrant::take(TimePoint now, const Stop&) {
    if (std::exchange(stopping_, true)) {
        return;
    }
    const bool reachable = failures_ == 0;
    targets_.clear();
    if (state_ != State::idle) {
        disconnect();
    }
    due_ = reachable && !known_as_.empty() ? std::optional(now) : std::nullopt;
}

void Registrant::begin(TimePoint now) {
    if (targets_.empty() && known_as_.empty()) {
        due_.reset(); // nothing to say
        return;
    }
    state_ = State::connecting;
    due_ = now + (stopping_ ? farewell_time : answer_time);
    outputs_.emplace_back(Connect{});
}

/// A long list goes in parts.
void Registrant::make_requests() {
    reader_ = {};
    requests_.clear();
    in_work_ = targets_;
    if (in_work_.empty()) {
        if (!known_as_.empty()) {
            requests_.push_back({++transaction_, encode_deregistration(known_as_, identity_.entity, transaction_)});
        }
        return;
    }
    replace_ = replace_ || registered_ != in_work_;
    known_as_ = in_work_.front();
    std::vector<std::string> part;
    std::size_t bytes = 0;
    for (const std::string& target : in_work_) {
        const std::size_t more = encoded_size(target, identity_.portals.size());
        if (bytes + more > request_bytes_max && !part.empty()) {
            add_registration(part, requests_.empty());
            part.clear();
            bytes = 0;
        }
        part.push_back(target);
        bytes += more;
    }
    add_registration(part, requests_.empty());
}

void Registrant::add_registration(const std::vector<std::string>& targets, bool first) {
    const Registration registration{known_as_, identity_.entity, first && replace_, first, period_wanted, identity_.portals, targets};
    requests_.push_back({++transaction_, encode(registration, transaction_)});
}

void Registrant::send_next(TimePoint now) {
    due_ = now + (stopping_ ? farewell_time : answer_time);
    outputs_.emplace_back(Send{requests_.front().bytes});
}

void Registrant::accept(TimePoint now, const Response& response) {
    if (response.transaction != requests_.front().transaction) {
        fail(now, describe(DecodeError::wrong_order));
        return;
    }
    if (response.status != 0) {
        fail(now, "it answered: " + describe_status(response.status));
        return;
    }
    if (response.period && *response.period > std::chrono::seconds(0)) { // 0: we are never forgotten (section 6.2.6)
        period_ = *response.period;
    }
    requests_.pop_front();
    if (requests_.empty()) {
        succeed(now);
    } else {
        send_next(now);
    }
}

void Registrant::succeed(TimePoint now) {
    disconnect();
    if ((told_ || in_work_ != registered_) && !stopping_) {
        outputs_.emplace_back(Registered{in_work_.size()});
    }
    registered_ = std::exchange(in_work_, {});
    if (registered_.empty()) {
        known_as_.clear();
    }
    replace_ = told_ = false;
    failures_ = 0;
    if (targets_ != registered_) {
        due_ = now; // they changed meanwhile
    } else if (!registered_.empty()) {
        due_ = now + std::clamp(period_, period_min, period_wanted) / 2; // a longer one would leave a server that lost its memory without us
    }
}

void Registrant::fail(TimePoint now, const std::string& reason) {
    disconnect();
    replace_ = true;
    if (stopping_) {
        return;
    }
    if (!std::exchange(told_, true)) {
        outputs_.emplace_back(NotRegistered{reason});
    }
    const unsigned doublings = std::min(failures_++, 10U);
    due_ = now + std::min(retry_first * (1U << doublings), retry_last);
}

void Registrant::disconnect() {
    state_ = State::idle;
    due_.reset();
    outputs_.emplace_back(Disconnect{});
}

} // namespace rootstock::isns
