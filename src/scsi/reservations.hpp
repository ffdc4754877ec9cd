// Persistent reservations (SPC-4 section 5.12): who is registered, who holds the unit, what conflicts. A pure machine: it decides, and
// says whom to tell and whose tasks to abort; logical_unit delivers. The owner locks.
#pragma once

#include "scsi/command.hpp"
#include "scsi/sense.hpp"
#include "scsi/unit_attention.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace rootstock::scsi {

/// SPC-4 table 60.
enum class ReservationType : std::uint8_t {
    none = 0x0,
    write_exclusive = 0x1,
    exclusive_access = 0x3,
    write_exclusive_registrants_only = 0x5,
    exclusive_access_registrants_only = 0x6,
    write_exclusive_all_registrants = 0x7,
    exclusive_access_all_registrants = 0x8,
};

/// What a command does as far as reservations are concerned: the rows of SPC-4 table 52 and SBC-3 table 14 boil down to three.
enum class Access : std::uint8_t {
    any,   // INQUIRY, TEST UNIT READY, READ CAPACITY, ...: allowed under every reservation
    read,  // READ, VERIFY, PRE-FETCH, MODE SENSE, ...: allowed where only writing is exclusive
    write, // WRITE, UNMAP, SYNCHRONIZE CACHE, MODE SELECT, ...: allowed to holders and, where the type says so, registrants
};

/// An I_T nexus as reservations name it: initiator port and relative target port.
struct NexusName {
    std::string initiator_port;
    std::uint16_t relative_target_port = 0;
    bool operator==(const NexusName&) const = default;
};

struct Registration {
    NexusName nexus;
    std::uint64_t key = 0;
    bool holder = false; // with an all-registrants type every registration is one, and this is not used
    bool operator==(const Registration&) const = default;
};

/// All there is to keep over a power loss (APTPL).
struct ReservationState {
    std::uint32_t generation = 0;
    ReservationType type = ReservationType::none;
    bool survives_power_loss = false; // APTPL of the last registration
    std::vector<Registration> registrations;
    bool operator==(const ReservationState&) const = default;
};

/// SPC-4 table 54: PERSISTENT RESERVE OUT service actions.
enum class ReserveOutAction : std::uint8_t {
    register_key = 0x00,
    reserve = 0x01,
    release = 0x02,
    clear = 0x03,
    preempt = 0x04,
    preempt_and_abort = 0x05,
    register_and_ignore_existing_key = 0x06,
    register_and_move = 0x07,
};

struct ReserveOut {
    ReserveOutAction action = ReserveOutAction::register_key;
    ReservationType type = ReservationType::none; // RESERVE, RELEASE, PREEMPT
    std::uint64_t reservation_key = 0;
    std::uint64_t service_action_key = 0;
    bool activate_persist_through_power_loss = false;
    bool unregister = false; // REGISTER AND MOVE
    NexusName move_to;       // REGISTER AND MOVE
};

struct ReserveOutcome {
    struct Notice {
        NexusName nexus;
        Attention attention;
    };
    Status status = Status::good;
    std::optional<Sense> sense;   // with CHECK CONDITION
    std::vector<Notice> notices;  // unit attentions to establish
    std::vector<NexusName> abort; // PREEMPT AND ABORT: whose tasks end
};

/// The type as the wire has it, if it is one.
[[nodiscard]] std::optional<ReservationType> reservation_type(std::uint8_t wire);
[[nodiscard]] bool is_all_registrants(ReservationType type);

class Reservations {
  public:
    Reservations() = default;
    explicit Reservations(ReservationState state) : state_(std::move(state)) {}

    [[nodiscard]] const ReservationState& state() const { return state_; }
    [[nodiscard]] bool held() const { return state_.type != ReservationType::none; }
    [[nodiscard]] bool is_holder(const Registration& registration) const;

    [[nodiscard]] bool conflicts(const NexusName& nexus, Access access) const;

    [[nodiscard]] ReserveOutcome perform(const NexusName& from, const ReserveOut& request);

  private:
    [[nodiscard]] Registration* find(const NexusName& nexus);
    [[nodiscard]] const Registration* find(const NexusName& nexus) const;
    ReserveOutcome register_key(const NexusName& from, const ReserveOut& request);
    ReserveOutcome reserve(Registration& from, const ReserveOut& request);
    ReserveOutcome release(const Registration& from, const ReserveOut& request);
    ReserveOutcome clear(const NexusName& from);
    ReserveOutcome preempt(const NexusName& from, const ReserveOut& request);
    ReserveOutcome move(const NexusName& from, const ReserveOut& request);
    void unregister(const NexusName& from, ReserveOutcome& outcome);
    void end_reservation();
    void tell_others(const NexusName& but, Attention attention, ReserveOutcome& outcome) const;

    ReservationState state_;
};

/// Where reservations with APTPL are kept; implemented over the database. `unit`: the serial number of the unit. Blocks.
class ReservationStore {
  public:
    virtual ~ReservationStore() = default;
    [[nodiscard]] virtual Result<ReservationState> load(std::string_view unit) = 0;
    /// Durable when it returns. A state without registrations deletes what was kept.
    [[nodiscard]] virtual Result<void> save(std::string_view unit, const ReservationState& state) = 0;
};

} // namespace rootstock::scsi
