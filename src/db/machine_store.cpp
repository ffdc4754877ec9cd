#include "db/machine_store.hpp"

#include "db/boot_rows.hpp"
#include "db/values.hpp"

namespace rootstock::db {

namespace {

constexpr std::int64_t audit_rows_max = 100000;

/// The text of the only row, or nothing.
Result<std::optional<std::string>> find_text(Statement row) {
    std::optional<std::string> text;
    if (row.next()) {
        text = row.text(0);
    }
    if (auto done = row.run(); !done) {
        return done.error();
    }
    return text;
}

std::optional<std::int64_t> signed_size(std::optional<std::uint64_t> bytes) {
    return bytes ? std::optional(static_cast<std::int64_t>(*bytes)) : std::nullopt;
}

/// The Registry checks this first; the database has the last word.
Result<void> check_unique(Connection& connection, const fleet::Machine& machine) {
    const auto refuse = [](const Result<std::optional<std::string>>& owner, const std::string& what) -> Result<void> {
        if (!owner) {
            return owner.error();
        }
        if (*owner) {
            return make_error(std::errc::file_exists, what + " belongs to machine " + **owner + " already");
        }
        return {};
    };
    auto unique = refuse(find_text(connection.query("SELECT name FROM machine WHERE name = ?1 AND id <> ?2", machine.name, machine.id)),
                         "the name " + machine.name);
    for (const Mac mac : machine.macs) {
        if (unique) {
            unique = refuse(find_text(connection.query("SELECT m.name FROM machine_mac a JOIN machine m ON m.id = a.machine "
                                                       "WHERE a.mac = ?1 AND m.id <> ?2",
                                                       mac.text(), machine.id)),
                            mac.text());
        }
    }
    return unique;
}

Result<fleet::MachineId> write_machine_row(Connection& connection, const fleet::Machine& machine) {
    auto written = connection.run("INSERT INTO machine (id, name, image, mode, address, generation, former_mode, quota_bytes, quota_group) "
                                  "VALUES (nullif(?1, 0), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO UPDATE SET name = ?2, image = ?3, "
                                  "mode = ?4, address = ?5, generation = ?6, former_mode = ?7, quota_bytes = ?8, quota_group = ?9",
                                  machine.id, machine.name, machine.image, fleet::mode_name(machine.mode), text_of(machine.address),
                                  std::int64_t{machine.generation}, fleet::mode_name(machine.former_mode), signed_size(machine.quota_bytes),
                                  machine.group);
    if (!written) {
        return written.error();
    }
    return machine.id == 0 ? connection.last_insert_id() : machine.id;
}

Result<void> write_macs(Connection& connection, const fleet::Machine& machine) {
    auto written = connection.run("DELETE FROM machine_mac WHERE machine = ?1", machine.id);
    if (written) {
        written = connection.run("DELETE FROM retired_mac WHERE machine = ?1", machine.id);
    }
    std::int64_t position = 0;
    for (const Mac mac : machine.macs) {
        if (written) {
            written = connection.run("INSERT INTO machine_mac (mac, machine, position) VALUES (?1, ?2, ?3)", mac.text(), machine.id, ++position);
        }
    }
    for (const fleet::RetiredMac& retired : machine.retired) {
        if (written) {
            written = connection.run("INSERT OR REPLACE INTO retired_mac (mac, machine, replaced_by, generation, when_ms) "
                                     "VALUES (?1, ?2, ?3, ?4, ?5)",
                                     retired.mac.text(), machine.id, retired.replaced_by.text(), std::int64_t{retired.generation},
                                     unix_ms(retired.when));
        }
    }
    return written;
}

Result<void> read_macs(Connection& connection, fleet::Machine& machine) {
    auto macs = collect(connection.query("SELECT mac FROM machine_mac WHERE machine = ?1 ORDER BY position", machine.id), "machine_mac",
                        [](Row& row) { return row.parsed(0, Mac::parse); });
    if (!macs) {
        return macs.error();
    }
    machine.macs = std::move(*macs);
    auto retired = collect(connection.query("SELECT mac, replaced_by, generation, when_ms FROM retired_mac WHERE machine = ?1 "
                                            "ORDER BY when_ms, mac",
                                            machine.id),
                           "retired_mac", [](Row& row) {
                               fleet::RetiredMac mac;
                               mac.mac = row.parsed(0, Mac::parse);
                               mac.replaced_by = row.parsed(1, Mac::parse);
                               mac.generation = row.integer<std::uint32_t>(2);
                               mac.when = row.time(3);
                               return mac;
                           });
    if (!retired) {
        return retired.error();
    }
    machine.retired = std::move(*retired);
    return {};
}

Result<std::vector<fleet::Machine>> read_machines(Connection& connection) {
    auto machines = collect(connection.query("SELECT id, name, image, mode, address, generation, former_mode, quota_bytes, quota_group FROM machine "
                                             "ORDER BY name"),
                            "machine",
                            [](Row& row) {
                                fleet::Machine machine;
                                machine.id = row.integer(0);
                                machine.name = row.text(1);
                                machine.image = row.text(2);
                                machine.mode = row.parsed(3, fleet::parse_mode);
                                machine.address = row.optional_parsed(4, Ipv4::parse);
                                machine.generation = row.integer<std::uint32_t>(5);
                                machine.former_mode = row.parsed(6, fleet::parse_mode);
                                if (const auto quota = row.optional_integer(7)) {
                                    machine.quota_bytes = static_cast<std::uint64_t>(*quota);
                                }
                                machine.group = row.text(8);
                                return machine;
                            });
    if (!machines) {
        return machines;
    }
    for (fleet::Machine& machine : *machines) {
        if (auto read = read_macs(connection, machine); !read) {
            return read.error();
        }
    }
    return machines;
}

} // namespace

Result<std::vector<fleet::Machine>> MachineStore::load_machines() { return writer_.run(read_machines); }

Result<fleet::Machine> MachineStore::put_machine(const fleet::Machine& machine) {
    return writer_.run([&machine](Connection& connection) -> Result<fleet::Machine> {
        if (auto unique = check_unique(connection, machine); !unique) {
            return unique.error();
        }
        const auto id = write_machine_row(connection, machine);
        if (!id) {
            return id.error();
        }
        fleet::Machine stored = machine;
        stored.id = *id;
        if (auto written = write_macs(connection, stored); !written) {
            return written.error();
        }
        return stored;
    });
}

Result<void> MachineStore::remove_machine(fleet::MachineId id) {
    return writer_.run([id](Connection& connection) { return connection.run("DELETE FROM machine WHERE id = ?1", id); });
}

Result<std::vector<fleet::UnknownMachine>> MachineStore::load_unknown() { return writer_.run(read_unknown); }

Result<void> MachineStore::put_unknown(const fleet::UnknownMachine& unknown) { return save_activity({}, {unknown}); }

Result<void> MachineStore::remove_unknown(Mac mac) {
    return writer_.run([mac](Connection& connection) { return connection.run("DELETE FROM unknown WHERE mac = ?1", mac.text()); });
}

Result<fleet::BootId> MachineStore::put_boot(const fleet::Boot& boot) {
    return writer_.run([&boot](Connection& connection) { return write_boot(connection, boot); });
}

Result<void> MachineStore::save_activity(const std::vector<fleet::Boot>& boots, const std::vector<fleet::UnknownMachine>& unknown) {
    return writer_.run([&](Connection& connection) -> Result<void> {
        for (const fleet::Boot& boot : boots) {
            if (auto written = write_boot(connection, boot); !written) {
                return written.error();
            }
        }
        for (const fleet::UnknownMachine& machine : unknown) {
            if (auto written = write_unknown(connection, machine); !written) {
                return written;
            }
        }
        return unknown.empty() ? Result<void>() : prune_unknown(connection);
    });
}

Result<std::vector<fleet::Boot>> MachineStore::load_boots(std::optional<fleet::MachineId> machine, std::size_t most) {
    return writer_.run([&](Connection& connection) { return read_boots(connection, machine, most); });
}

Result<std::vector<fleet::AppliedValue>> MachineStore::load_applied() {
    return writer_.run([](Connection& connection) {
        return collect(connection.query("SELECT key, value FROM applied_config ORDER BY key"), "applied_config", [](Row& row) {
            return fleet::AppliedValue{row.text(0), row.text(1)};
        });
    });
}

Result<void> MachineStore::replace_applied(const std::vector<fleet::AppliedValue>& values) {
    return writer_.run([&values](Connection& connection) {
        auto written = connection.run("DELETE FROM applied_config");
        for (const fleet::AppliedValue& value : values) {
            if (written) {
                written = connection.run("INSERT INTO applied_config (key, value) VALUES (?1, ?2)", value.key, value.value);
            }
        }
        return written;
    });
}

Result<void> MachineStore::add_audit(std::string_view action, std::string_view object, std::string_view detail, std::string_view by) {
    const std::int64_t now = unix_ms(clock_.wall());
    return writer_.run([&](Connection& connection) {
        auto written = connection.run("INSERT INTO audit (when_ms, action, object, detail, who) VALUES (?1, ?2, ?3, ?4, ?5)", now, action,
                                      object, detail, by);
        if (written) {
            written = connection.run("DELETE FROM audit WHERE id <= ?1", connection.last_insert_id() - audit_rows_max);
        }
        return written;
    });
}

} // namespace rootstock::db
