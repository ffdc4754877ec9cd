// Database: DATA/rootstock.db, its lock, its writer thread and the stores over it. Made by app/server (and by commands that work without a
// running server); lives longer than whoever uses the stores. docs/database.md describes the file.
#pragma once

#include "core/clock.hpp"
#include "dhcp/lease_store.hpp"
#include "fleet/store.hpp"
#include "images/catalogue.hpp"
#include "images/release.hpp"
#include "scsi/reservations.hpp"

#include <memory>

namespace rootstock::db {

class Database {
  public:
    /// Locks, opens or creates, checks and migrates. Every error is one sentence that says how to mend it. `path`: in an existing folder.
    [[nodiscard]] static Result<std::unique_ptr<Database>> open(const std::string& path, const Clock& clock);
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    ~Database();

    // Thread-safe; every call blocks until it is durable.
    [[nodiscard]] fleet::Store& fleet();
    [[nodiscard]] dhcp::LeaseStore& leases();
    [[nodiscard]] images::Catalogue& images();
    [[nodiscard]] images::ReleaseStore& releases();
    [[nodiscard]] scsi::ReservationStore& reservations();

    /// What is wrong with the file, each a sentence: SQLite's integrity and foreign key checks. Others wait meanwhile.
    [[nodiscard]] Result<std::vector<std::string>> problems();

    /// Transactions so far, for the figures: callers that wait together share one.
    [[nodiscard]] std::uint64_t transactions() const;

  private:
    struct Parts;
    explicit Database(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

} // namespace rootstock::db
