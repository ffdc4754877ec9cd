#include "db/lease_store.hpp"

#include "db/values.hpp"

namespace rootstock::db {

namespace {

// Both keys are unique: the row of the address's former client and the client's former row go away.
Result<void> save_one(Connection& connection, const dhcp::Lease& lease) {
    return connection.run("INSERT OR REPLACE INTO lease (address, mac, host_name, granted_ms, expires_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
                          lease.address.text(), lease.mac.text(), lease.host_name, unix_ms(lease.granted), unix_ms(lease.expires));
}

} // namespace

Result<std::vector<dhcp::Lease>> LeaseStore::load() {
    return writer_.run([](Connection& connection) {
        return collect(connection.query("SELECT address, mac, host_name, granted_ms, expires_ms FROM lease"), "lease", [](Row& row) {
            dhcp::Lease lease;
            lease.address = row.parsed(0, Ipv4::parse);
            lease.mac = row.parsed(1, Mac::parse);
            lease.host_name = row.text(2);
            lease.granted = row.time(3);
            lease.expires = row.time(4);
            return lease;
        });
    });
}

Result<void> LeaseStore::save(const std::vector<dhcp::Lease>& leases) {
    return writer_.run([&leases](Connection& connection) -> Result<void> {
        for (const dhcp::Lease& lease : leases) {
            if (auto saved = save_one(connection, lease); !saved) {
                return saved;
            }
        }
        return {};
    });
}

Result<void> LeaseStore::remove(Ipv4 address) {
    return writer_.run([address](Connection& connection) { return connection.run("DELETE FROM lease WHERE address = ?1", address.text()); });
}

} // namespace rootstock::db
