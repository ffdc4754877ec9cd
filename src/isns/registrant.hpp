// Registrant: keeps an iSNS server informed of our targets (RFC 4171). A machine: it waits for nothing and knows no socket.
//
//   idle ─due─▶ connecting ─connected─▶ exchanging ─all answered─▶ idle
//     ▲                │ failed, no answer │
//     └────────────────┴──── later ◀───────┘
// Each registration is a connection of its own: one that is lost in between costs nothing, and a server that was restarted is told all.
// The first one, one with other targets, and the one after a failure replace what the server knew of us; the others, in half the
// registration period (section 6.2.6), say the same again.
#pragma once

#include "core/clock.hpp"
#include "isns/message.hpp"

#include <deque>
#include <variant>

namespace rootstock::isns {

struct Identity {
    std::string entity;          // of this server, among all of the iSNS server
    std::vector<Portal> portals; // at least one
};

/// What we serve, from now on.
struct TargetsChanged {
    std::vector<std::string> targets;
};
struct Connected {};
struct Received {
    Bytes bytes; // for the call alone
};
/// The connection could not be made, or is lost.
struct Failed {
    std::string reason;
};
/// Deregister, then be finished().
struct Stop {};
using Input = std::variant<TargetsChanged, Connected, Received, Failed, Stop>;

struct Connect {};
struct Send {
    ByteVector bytes;
};
struct Disconnect {};
/// To be told to people: the server has all of our targets now.
struct Registered {
    std::size_t targets = 0;
};
/// To be told: it could not be informed, and why. Once, until it can again.
struct NotRegistered {
    std::string reason;
};
using Output = std::variant<Connect, Send, Disconnect, Registered, NotRegistered>;

class Registrant {
  public:
    explicit Registrant(Identity identity);

    void handle_input(TimePoint now, const Input& input);
    [[nodiscard]] std::optional<Output> poll_output();
    [[nodiscard]] std::optional<TimePoint> next_timeout() const;
    void handle_timeout(TimePoint now);

    /// After Stop: nothing is left to be done.
    [[nodiscard]] bool finished() const { return stopping_ && state_ == State::idle && !next_timeout(); }

  private:
    enum class State : std::uint8_t { idle, connecting, exchanging };

    void take(TimePoint now, const TargetsChanged& changed);
    void take(TimePoint now, const Connected& connected);
    void take(TimePoint now, const Received& received);
    void take(TimePoint now, const Failed& failed);
    void take(TimePoint now, const Stop& stop);

    void begin(TimePoint now);
    void make_requests();
    void add_registration(const std::vector<std::string>& targets, bool first);
    void send_next(TimePoint now);
    void accept(TimePoint now, const Response& response);
    void succeed(TimePoint now);
    void fail(TimePoint now, const std::string& reason);
    void disconnect();

    const Identity identity_;
    State state_ = State::idle;
    std::optional<TimePoint> due_;       // idle: when to begin; else when to give up
    std::vector<std::string> targets_;
    std::vector<std::string> in_work_;    // what the server is being told
    std::vector<std::string> registered_; // what it has last been told with success
    std::string known_as_;                // the node that spoke for us; empty: the server knows nothing of us
    bool replace_ = true;
    bool stopping_ = false;
    bool told_ = false;                  // of the failure that lasts
    unsigned failures_ = 0;              // in a row
    std::chrono::seconds period_;
    std::uint16_t transaction_ = 0;
    struct Request {
        std::uint16_t transaction;
        ByteVector bytes;
    };
    std::deque<Request> requests_;       // the first is the one to be answered
    ResponseReader reader_;
    std::deque<Output> outputs_;
};

} // namespace rootstock::isns
