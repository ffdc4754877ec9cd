// Persistent reservations in SQLite: those that an initiator wants kept over a loss of power (SPC-4 5.12.5). The only SQL about them.
// PRGENERATION is not kept: power on sets it to zero, whatever APTPL says (SPC-4 6.15.2).
#pragma once

#include "db/writer.hpp"
#include "scsi/reservations.hpp"

namespace rootstock::db {

class ReservationStore final : public scsi::ReservationStore {
  public:
    explicit ReservationStore(Writer& writer) : writer_(writer) {}

    Result<scsi::ReservationState> load(std::string_view unit) override;
    Result<void> save(std::string_view unit, const scsi::ReservationState& state) override;

  private:
    Writer& writer_;
};

} // namespace rootstock::db
