#include "db/database.hpp"

#include "db/image_store.hpp"
#include "db/lease_store.hpp"
#include "db/machine_store.hpp"
#include "db/migrations.hpp"
#include "db/process_lock.hpp"
#include "db/release_store.hpp"
#include "db/reservation_store.hpp"
#include "db/values.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace rootstock::db {

struct Database::Parts {
    Parts(ProcessLock owned, std::unique_ptr<Connection> connection, const Clock& clock)
        : lock(std::move(owned)), writer(std::move(connection)), machines(writer, clock), leases(writer), images(writer), releases(writer), reservations(writer) {}

    ProcessLock lock; // first: given up only when everything is written
    Writer writer;
    MachineStore machines;
    LeaseStore leases;
    ImageStore images;
    ReleaseStore releases;
    ReservationStore reservations;
};

namespace {

/// The database holds secrets: for its owner only. SQLite gives its -wal and -shm files the same mode.
Result<void> make_private(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) {
        return errno_error("cannot open the database " + path + " (its folder must exist, and this user must be able to write there)");
    }
    ::close(file);
    return {};
}

} // namespace

Result<std::unique_ptr<Database>> Database::open(const std::string& path, const Clock& clock) {
    auto lock = ProcessLock::acquire(path + ".lock");
    if (!lock) {
        return lock.error();
    }
    if (auto is_private = make_private(path); !is_private) {
        return is_private.error();
    }
    auto connection = Connection::open(path);
    if (!connection) {
        return connection.error();
    }
    const auto migrations = embedded_migrations();
    if (auto migrated = migrate(**connection, migrations); !migrated) {
        return migrated.error();
    }
    auto parts = std::make_unique<Parts>(std::move(*lock), std::move(*connection), clock);
    return std::unique_ptr<Database>(new Database(std::move(parts)));
}

Database::Database(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Database::~Database() = default;

fleet::Store& Database::fleet() { return parts_->machines; }
dhcp::LeaseStore& Database::leases() { return parts_->leases; }
images::Catalogue& Database::images() { return parts_->images; }
images::ReleaseStore& Database::releases() { return parts_->releases; }
scsi::ReservationStore& Database::reservations() { return parts_->reservations; }
Result<std::vector<std::string>> Database::problems() {
    return parts_->writer.run([](Connection& connection) -> Result<std::vector<std::string>> {
        auto found = collect(connection.query("PRAGMA integrity_check(20)"), "integrity_check", [](Row& row) { return row.text(0); });
        if (!found) {
            return found;
        }
        std::erase(*found, "ok");
        const auto dangling = collect(connection.query("PRAGMA foreign_key_check"), "foreign_key_check", [](Row& row) {
            return "a row of table " + row.text(0) + " refers to one of table " + row.text(2) + " that is not there";
        });
        if (!dangling) {
            return dangling;
        }
        found->insert(found->end(), dangling->begin(), dangling->end());
        return found;
    });
}

std::uint64_t Database::transactions() const { return parts_->writer.transactions(); }

} // namespace rootstock::db
