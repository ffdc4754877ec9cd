// Admission: who has how many transfers. Bounds them in total and for each client, and recognises a repeated request: the same
// client port asks again when our first answer was lost, and the transfer that runs repeats its answer by itself.
// Thread-safe: requests come on one shard, transfers end on all of them.
#pragma once

#include "core/ipv4.hpp"

#include <map>
#include <mutex>
#include <set>
#include <utility>

namespace rootstock::tftp {

class Admission {
  public:
    enum class Answer : std::uint8_t { admitted, repeated, client_limit, total_limit };

    [[nodiscard]] Answer enter(Ipv4 client, std::uint16_t port);
    void leave(Ipv4 client, std::uint16_t port);
    [[nodiscard]] std::size_t count() const;

  private:
    mutable std::mutex mutex_; // guards both
    std::map<Ipv4, std::set<std::uint16_t>> transfers_;
    std::size_t count_ = 0;
};

/// Leaves when it dies: a transfer holds one.
class AdmissionTicket {
  public:
    AdmissionTicket(Admission& admission, Ipv4 client, std::uint16_t port)
        : admission_(&admission), client_(client), port_(port) {}
    AdmissionTicket(AdmissionTicket&& other) noexcept
        : admission_(std::exchange(other.admission_, nullptr)), client_(other.client_), port_(other.port_) {}
    AdmissionTicket& operator=(AdmissionTicket&&) = delete;
    ~AdmissionTicket() {
        if (admission_ != nullptr) {
            admission_->leave(client_, port_);
        }
    }

  private:
    Admission* admission_;
    Ipv4 client_;
    std::uint16_t port_;
};

} // namespace rootstock::tftp
