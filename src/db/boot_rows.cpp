#include "db/boot_rows.hpp"

#include "db/values.hpp"
#include "fleet/limits.hpp"

namespace rootstock::db {

namespace {

// A machine that was removed meanwhile is nobody. What a late write does not know of, it does not take away: the secret, the owner.
Result<fleet::BootId> write_boot_row(Connection& connection, const fleet::Boot& boot) {
    Statement row = connection.query("INSERT INTO boot (id, machine, mac, generation, started_ms, outcome, reason, chap_secret, image, version) "
                                     "VALUES (nullif(?1, 0), (SELECT id FROM machine WHERE id = ?2), ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) "
                                     "ON CONFLICT (id) DO UPDATE SET machine = coalesce(excluded.machine, machine), "
                                     "generation = max(excluded.generation, generation), outcome = ?6, reason = ?7, "
                                     "chap_secret = iif(?8 = '', chap_secret, ?8), image = ?9, version = ?10 RETURNING id",
                                     boot.id, boot.machine, boot.mac.text(), std::int64_t{boot.generation}, unix_ms(boot.started),
                                     fleet::outcome_name(boot.outcome), boot.reason, boot.chap_secret, boot.image, std::int64_t{boot.version});
    const fleet::BootId written = row.next() ? row.integer(0) : 0;
    if (auto done = row.run(); !done) {
        return done.error();
    }
    return written;
}

Result<void> write_stages(Connection& connection, fleet::BootId id, const std::vector<fleet::StageTime>& stages) {
    for (const fleet::StageTime& stage : stages) {
        auto written = connection.run("INSERT OR IGNORE INTO boot_stage (boot, stage, when_ms, detail) VALUES (?1, ?2, ?3, ?4)", id,
                                      fleet::stage_name(stage.stage), unix_ms(stage.when), stage.detail);
        if (!written) {
            return written;
        }
    }
    return {};
}

Result<void> prune_boots(Connection& connection, std::optional<fleet::MachineId> machine) {
    const std::size_t most = machine ? fleet::boots_per_machine_max : fleet::boots_without_machine_max;
    return connection.run("DELETE FROM boot WHERE id IN (SELECT id FROM boot WHERE machine IS ?1 ORDER BY id DESC LIMIT -1 OFFSET ?2)",
                          machine, static_cast<std::int64_t>(most));
}

Result<std::vector<fleet::StageTime>> read_stages(Connection& connection, fleet::BootId id) {
    return collect(connection.query("SELECT stage, when_ms, detail FROM boot_stage WHERE boot = ?1", id), "boot_stage", [](Row& row) {
        fleet::StageTime stage;
        stage.stage = row.parsed(0, fleet::parse_stage);
        stage.when = row.time(1);
        stage.detail = row.text(2);
        return stage;
    });
}

} // namespace

Result<fleet::BootId> write_boot(Connection& connection, const fleet::Boot& boot) {
    const auto id = write_boot_row(connection, boot);
    if (!id) {
        return id;
    }
    if (auto stages = write_stages(connection, *id, boot.stages); !stages) {
        return stages.error();
    }
    if (auto pruned = prune_boots(connection, boot.machine); !pruned) {
        return pruned.error();
    }
    return id;
}

Result<std::vector<fleet::Boot>> read_boots(Connection& connection, std::optional<fleet::MachineId> machine, std::size_t most) {
    auto boots = collect(connection.query("SELECT id, machine, mac, generation, started_ms, outcome, reason, chap_secret, image, version FROM boot "
                                          "WHERE ?1 IS NULL OR machine = ?1 ORDER BY id DESC LIMIT ?2",
                                          machine, static_cast<std::int64_t>(most)),
                         "boot", [](Row& row) {
                             fleet::Boot boot;
                             boot.id = row.integer(0);
                             boot.machine = row.optional_integer(1);
                             boot.mac = row.parsed(2, Mac::parse);
                             boot.generation = row.integer<std::uint32_t>(3);
                             boot.started = row.time(4);
                             boot.outcome = row.parsed(5, fleet::parse_outcome);
                             boot.reason = row.text(6);
                             boot.chap_secret = row.text(7);
                             boot.image = row.text(8);
                             boot.version = row.integer<std::uint32_t>(9);
                             return boot;
                         });
    if (!boots) {
        return boots;
    }
    for (fleet::Boot& boot : *boots) {
        auto stages = read_stages(connection, boot.id);
        if (!stages) {
            return stages.error();
        }
        boot.stages = std::move(*stages);
        std::sort(boot.stages.begin(), boot.stages.end(), [](const auto& a, const auto& b) { return a.stage < b.stage; });
    }
    return boots;
}

Result<void> write_unknown(Connection& connection, const fleet::UnknownMachine& unknown) {
    return connection.run("INSERT OR REPLACE INTO unknown (mac, uuid, architecture, manufacturer, product, serial, address, first_seen_ms, "
                          "last_seen_ms) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 "
                          "WHERE NOT EXISTS (SELECT 1 FROM machine_mac WHERE mac = ?1)",
                          unknown.mac.text(), text_of(unknown.uuid), unknown.architecture, unknown.manufacturer, unknown.product,
                          unknown.serial, text_of(unknown.address), unix_ms(unknown.first_seen), unix_ms(unknown.last_seen));
}

Result<void> prune_unknown(Connection& connection) {
    return connection.run("DELETE FROM unknown WHERE mac IN (SELECT mac FROM unknown ORDER BY last_seen_ms DESC LIMIT -1 OFFSET ?1)",
                          static_cast<std::int64_t>(fleet::unknown_machines_max));
}

Result<std::vector<fleet::UnknownMachine>> read_unknown(Connection& connection) {
    return collect(connection.query("SELECT mac, uuid, architecture, manufacturer, product, serial, address, first_seen_ms, last_seen_ms "
                                    "FROM unknown ORDER BY mac"),
                   "unknown", [](Row& row) {
                       fleet::UnknownMachine unknown;
                       unknown.mac = row.parsed(0, Mac::parse);
                       unknown.uuid = row.optional_parsed(1, Guid::parse);
                       unknown.architecture = row.text(2);
                       unknown.manufacturer = row.text(3);
                       unknown.product = row.text(4);
                       unknown.serial = row.text(5);
                       unknown.address = row.optional_parsed(6, Ipv4::parse);
                       unknown.first_seen = row.time(7);
                       unknown.last_seen = row.time(8);
                       return unknown;
                   });
}

} // namespace rootstock::db
