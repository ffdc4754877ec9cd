#include "db/release_store.hpp"

#include "db/values.hpp"
#include "images/limits.hpp"

namespace rootstock::db {

namespace {

using images::Release;
using images::ReleaseState;

Result<std::vector<std::string>> read_machines(Connection& connection, std::int64_t release) {
    return collect(connection.query("SELECT machine FROM release_machine WHERE release = ?1 ORDER BY machine", release), "release_machine",
                   [](Row& row) { return row.text(0); });
}

Result<std::vector<Release>> read_releases(Connection& connection) {
    auto releases = collect(connection.query("SELECT id, image, version, previous, audience, percent, starts_ms, watched, minimum_boots, "
                                             "minimum_share, state, detail, created_ms FROM release ORDER BY id"),
                            "release", [](Row& row) {
                                Release release;
                                release.id = row.integer(0);
                                release.image = row.text(1);
                                release.version = row.integer<std::uint32_t>(2);
                                release.previous = row.integer<std::uint32_t>(3);
                                release.audience = row.parsed(4, images::parse_audience);
                                release.percent = row.integer<std::uint32_t>(5);
                                release.starts = row.time(6);
                                release.watch = {row.integer(7) != 0, row.integer<std::uint32_t>(8), row.integer<std::uint32_t>(9)};
                                release.state = row.parsed(10, images::parse_release_state);
                                release.detail = row.text(11);
                                release.created = row.time(12);
                                return release;
                            });
    if (!releases) {
        return releases;
    }
    for (Release& release : *releases) {
        auto machines = read_machines(connection, release.id);
        if (!machines) {
            return machines.error();
        }
        release.machines = std::move(*machines);
    }
    return releases;
}

/// Those of the image that are over, but for the newest.
Result<void> prune_releases(Connection& connection, const std::string& image) {
    return connection.run("DELETE FROM release WHERE id IN (SELECT id FROM release WHERE image = ?1 AND state <> 'active' "
                          "ORDER BY id DESC LIMIT -1 OFFSET ?2)",
                          image, static_cast<std::int64_t>(images::limits::releases_kept));
}

Result<void> roll_back_row(Connection& connection, std::int64_t id, const std::string& detail) {
    auto rolled = connection.run("UPDATE release SET state = 'rolled_back', detail = ?2 FROM release r "
                                 "WHERE r.id = ?1 AND release.image = r.image AND release.version = r.version AND release.state = 'active'",
                                 id, detail);
    return rolled ? connection.run("UPDATE image SET current = r.previous FROM release r "
                                   "WHERE r.id = ?1 AND image.name = r.image AND image.current = r.version AND r.previous <> 0",
                                   id)
                  : rolled;
}

} // namespace

Result<void> write_release(Connection& connection, const Release& release) {
    auto written = connection.run("INSERT INTO release (image, version, previous, audience, percent, starts_ms, watched, minimum_boots, "
                                  "minimum_share, state, detail, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                                  release.image, std::int64_t{release.version}, std::int64_t{release.previous},
                                  images::audience_name(release.audience), std::int64_t{release.percent}, unix_ms(release.starts),
                                  std::int64_t{release.watch.enabled ? 1 : 0}, std::int64_t{release.watch.minimum_boots},
                                  std::int64_t{release.watch.minimum_share}, images::state_name(release.state), release.detail,
                                  unix_ms(release.created));
    const std::int64_t id = connection.last_insert_id();
    for (const std::string& machine : release.machines) {
        if (written) {
            written = connection.run("INSERT OR IGNORE INTO release_machine (release, machine) VALUES (?1, ?2)", id, machine);
        }
    }
    return written ? prune_releases(connection, release.image) : written;
}

Result<std::vector<Release>> ReleaseStore::releases() { return writer_.run(read_releases); }

Result<Release> ReleaseStore::add_release(const Release& release) {
    return writer_.run([&release](Connection& connection) -> Result<Release> {
        if (auto written = write_release(connection, release); !written) {
            return written.error();
        }
        auto all = read_releases(connection);
        return all ? Result<Release>(std::move(all->back())) : Result<Release>(all.error());
    });
}

Result<void> ReleaseStore::end_release(std::int64_t id, ReleaseState state, const std::string& detail) {
    return writer_.run([&](Connection& connection) {
        return state == ReleaseState::rolled_back
                   ? roll_back_row(connection, id, detail)
                   : connection.run("UPDATE release SET state = ?2, detail = ?3 WHERE id = ?1", id, images::state_name(state), detail);
    });
}

Result<void> ReleaseStore::make_current(const Release& release) {
    return writer_.run([&release](Connection& connection) {
        auto made = connection.run("UPDATE image SET current = ?2 WHERE name = ?1", release.image, std::int64_t{release.version});
        if (made) {
            made = connection.run("UPDATE release SET state = 'ended', detail = ?3 WHERE image = ?1 AND id < ?2 AND state = 'active'", release.image,
                                  release.id, "version " + std::to_string(release.version) + " was released to all");
        }
        return made;
    });
}

Result<void> ReleaseStore::roll_back_to(const std::string& image, std::uint32_t version, const std::string& detail) {
    return writer_.run([&](Connection& connection) {
        auto rolled = connection.run("UPDATE release SET state = iif(version > ?2, 'rolled_back', 'ended'), detail = ?3 "
                                     "WHERE image = ?1 AND state = 'active'",
                                     image, std::int64_t{version}, detail);
        if (rolled) {
            rolled = connection.run("UPDATE image SET current = ?2 WHERE name = ?1", image, std::int64_t{version});
        }
        return rolled;
    });
}

} // namespace rootstock::db
