// Unit attentions of one I_T nexus (SAM-5 section 5.14): things that changed behind the initiator's back, each told once.
// Threads: lock-free; anyone may establish one, the nexus's shard takes them. Nothing pending costs one relaxed load.
#pragma once

#include "scsi/sense.hpp"

#include <atomic>
#include <bit>

namespace rootstock::scsi {

/// In the order in which they are told: resets first, for they explain the rest (SAM-5 table 49), then the oldest news of the unit.
enum class Attention : std::uint8_t {
    power_on_or_reset,
    bus_device_reset,
    commands_cleared,
    medium_changed,
    reported_luns_changed,
    reservations_preempted,
    reservations_released,
    registrations_preempted,
    capacity_changed,
    mode_parameters_changed,
};

[[nodiscard]] constexpr Asc asc_of(Attention attention) {
    switch (attention) {
    case Attention::power_on_or_reset: return Asc::power_on_reset_or_bus_device_reset;
    case Attention::bus_device_reset: return Asc::bus_device_reset_function_occurred;
    case Attention::commands_cleared: return Asc::commands_cleared_by_another_initiator;
    case Attention::medium_changed: return Asc::medium_may_have_changed;
    case Attention::reported_luns_changed: return Asc::reported_luns_data_has_changed;
    case Attention::reservations_preempted: return Asc::reservations_preempted;
    case Attention::reservations_released: return Asc::reservations_released;
    case Attention::registrations_preempted: return Asc::registrations_preempted;
    case Attention::capacity_changed: return Asc::capacity_data_has_changed;
    case Attention::mode_parameters_changed: return Asc::mode_parameters_changed;
    }
    return Asc::no_additional_information;
}

class UnitAttentions {
  public:
    [[nodiscard]] bool pending() const { return bits_.load(std::memory_order_relaxed) != 0; }

    /// A condition that is pending already is not told twice. A reset takes the place of all that was pending before it.
    void establish(Attention attention) {
        if (attention == Attention::power_on_or_reset || attention == Attention::bus_device_reset) {
            bits_.store(bit(attention), std::memory_order_relaxed);
        } else {
            bits_.fetch_or(bit(attention), std::memory_order_relaxed);
        }
    }

    /// The next to be told, which is then no longer pending.
    [[nodiscard]] std::optional<Attention> take() {
        std::uint32_t bits = bits_.load(std::memory_order_relaxed);
        while (bits != 0) {
            if (bits_.compare_exchange_weak(bits, bits & (bits - 1), std::memory_order_relaxed)) {
                return static_cast<Attention>(std::countr_zero(bits));
            }
        }
        return std::nullopt;
    }

    /// REPORT LUNS has told it another way (SPC-4 6.33).
    void clear(Attention attention) { bits_.fetch_and(~bit(attention), std::memory_order_relaxed); }

  private:
    static constexpr std::uint32_t bit(Attention attention) { return 1U << static_cast<unsigned>(attention); }

    std::atomic<std::uint32_t> bits_{0};
};

} // namespace rootstock::scsi
