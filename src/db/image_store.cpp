#include "db/image_store.hpp"

#include "db/release_store.hpp"
#include "db/values.hpp"

#include <map>

namespace rootstock::db {

namespace {

std::string_view kind_name(images::OverlayKind kind) { return kind == images::OverlayKind::persistent ? "persistent" : "reset"; }
std::string_view kind_name(images::DiskKind kind) { return kind == images::DiskKind::machine ? "machine" : "volume"; }

/// The one of both kinds that is called `name`.
template <class Kind> std::optional<Kind> parse_kind(std::string_view name) {
    for (const auto kind : {Kind{0}, Kind{1}}) {
        if (name == kind_name(kind)) {
            return kind;
        }
    }
    return std::nullopt;
}

std::int64_t signed_size(std::uint64_t size_bytes) { return static_cast<std::int64_t>(size_bytes); }

/// A column that names something or nothing.
std::optional<std::string> or_null(const std::string& name) { return name.empty() ? std::nullopt : std::optional(name); }

images::MasterIdentity identity_at(Row& row, int column) {
    return {row.parsed(column, Guid::parse), row.integer<std::uint64_t>(column + 1), row.integer<std::uint64_t>(column + 2)};
}

Result<void> write_layer(Connection& connection, const images::LayerRow& layer) {
    return connection.run("INSERT INTO layer (file, parent, origin, data_write_guid, virtual_size, file_size, created_ms) "
                          "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (file) DO UPDATE SET parent = ?2, origin = ?3, "
                          "data_write_guid = ?4, virtual_size = ?5, file_size = ?6, created_ms = ?7",
                          layer.file, or_null(layer.parent), layer.origin, layer.identity.data_write_guid.text(),
                          signed_size(layer.identity.virtual_size), signed_size(layer.identity.file_size), unix_ms(layer.created));
}

Result<void> write_version(Connection& connection, const images::ImageVersion& version) {
    const auto number = std::int64_t{version.number};
    const auto current = std::int64_t{version.current ? 1 : 0};
    auto added = connection.run("INSERT INTO image (name, current) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET current = iif(?3, ?2, current)",
                                version.image, number, current);
    if (added && version.current) {
        added = connection.run("UPDATE release SET state = 'ended', detail = ?2 WHERE image = ?1 AND state = 'active'", version.image,
                               "version " + std::to_string(version.number) + " is everybody's since then");
    }
    return added ? connection.run("INSERT INTO version (image, number, file, created_ms) VALUES (?1, ?2, ?3, ?4)", version.image, number,
                                  version.file, unix_ms(version.created))
                 : added;
}

Result<void> write_overlay(Connection& connection, const images::OverlayRow& overlay) {
    return connection.run("INSERT INTO overlay (machine, image, version, kind, file, created_ms, layer, restore) "
                          "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (machine) DO UPDATE SET image = ?2, version = ?3, kind = ?4, "
                          "file = ?5, created_ms = ?6, layer = ?7, restore = ?8",
                          overlay.machine, overlay.image, std::int64_t{overlay.version}, kind_name(overlay.kind), overlay.file,
                          unix_ms(overlay.created), overlay.layer, overlay.restore);
}

Result<void> write_snapshot(Connection& connection, const images::SnapshotRow& snapshot) {
    return connection.run("INSERT INTO snapshot (disk_kind, disk, name, layer, image, version, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                          kind_name(snapshot.disk.kind), snapshot.disk.name, snapshot.name, snapshot.layer, or_null(snapshot.image),
                          std::int64_t{snapshot.version}, unix_ms(snapshot.created));
}

Result<void> delete_snapshot(Connection& connection, const images::SnapshotRow& snapshot) {
    return connection.run("DELETE FROM snapshot WHERE disk_kind = ?1 AND disk = ?2 AND name = ?3", kind_name(snapshot.disk.kind),
                          snapshot.disk.name, snapshot.name);
}

Result<void> delete_version(Connection& connection, const images::ImageVersion& version) {
    return connection.run("DELETE FROM version WHERE image = ?1 AND number = ?2 AND number <> (SELECT current FROM image WHERE name = ?1)",
                          version.image, std::int64_t{version.number});
}

Result<void> rename_overlay(Connection& connection, const std::pair<std::string, std::string>& owners) {
    return connection.run("UPDATE overlay SET machine = ?2 WHERE machine = ?1", owners.first, owners.second);
}

Result<void> write_maintenance(Connection& connection, const images::Maintenance& row) {
    return connection.run("INSERT INTO maintenance (image, machine, since_ms) VALUES (?1, ?2, ?3)", row.image, row.machine, unix_ms(row.since));
}

/// Does `work` for each, up to the first failure.
template <class Rows, class Work> Result<void> for_all(Connection& connection, const Rows& rows, Work work) {
    for (const auto& row : rows) {
        if (Result<void> done = work(connection, row); !done) {
            return done;
        }
    }
    return {};
}

/// Deletes the rows of `table` whose key is one of `names`.
Result<void> delete_named(Connection& connection, const std::string& table, const std::string& key, const std::vector<std::string>& names) {
    return for_all(connection, names, [&](Connection& on, const std::string& name) {
        return on.run("DELETE FROM " + table + " WHERE " + key + " = ?1", name);
    });
}

Result<void> write_volume(Connection& connection, const images::VolumeRow& volume) {
    const images::VolumeOptions& options = volume.options;
    auto written = connection.run("INSERT INTO volume (name, size_bytes, file, created_ms, chap_user, chap_secret, mutual_chap_user, "
                                  "mutual_chap_secret, kind, block_size, read_only, layer, iso, iso_modified_ns, moved_to) "
                                  "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) "
                                  "ON CONFLICT (name) DO UPDATE SET size_bytes = ?2, file = ?3, created_ms = ?4, chap_user = ?5, "
                                  "chap_secret = ?6, mutual_chap_user = ?7, mutual_chap_secret = ?8, kind = ?9, block_size = ?10, read_only = ?11, "
                                  "layer = ?12, iso = ?13, iso_modified_ns = ?14, moved_to = ?15",
                                  volume.name, signed_size(volume.size_bytes), volume.file, unix_ms(volume.created), options.chap.user,
                                  options.chap.secret, options.mutual_chap.user, options.mutual_chap.secret, kind_name(options.kind),
                                  std::int64_t{options.block_size}, std::int64_t{options.read_only ? 1 : 0}, or_null(volume.layer),
                                  options.iso, volume.iso_modified_ns, options.moved_to);
    if (written) {
        written = connection.run("DELETE FROM volume_initiator WHERE volume = ?1", volume.name);
    }
    std::int64_t position = 0;
    for (const std::string& initiator : volume.initiators) {
        if (written) {
            written = connection.run("INSERT INTO volume_initiator (volume, position, initiator) VALUES (?1, ?2, ?3)", volume.name,
                                     ++position, initiator);
        }
    }
    return written;
}

/// By volume, each in its order.
Result<std::map<std::string, std::vector<std::string>>> load_initiators(Connection& connection) {
    std::map<std::string, std::vector<std::string>> initiators;
    const auto rows = collect(connection.query("SELECT volume, initiator FROM volume_initiator ORDER BY volume, position"), "volume_initiator",
                              [](Row& row) { return std::pair(row.text(0), row.text(1)); });
    if (!rows) {
        return rows.error();
    }
    for (const auto& [volume, initiator] : *rows) {
        initiators[volume].push_back(initiator);
    }
    return initiators;
}

Result<std::vector<images::VolumeRow>> load_volumes(Connection& connection) {
    auto volumes = collect(connection.query("SELECT name, size_bytes, file, created_ms, chap_user, chap_secret, mutual_chap_user, "
                                            "mutual_chap_secret, kind, block_size, read_only, layer, iso, iso_modified_ns, moved_to FROM volume ORDER BY name"),
                           "volume", [](Row& row) {
                               images::VolumeRow volume;
                               volume.name = row.text(0);
                               volume.size_bytes = row.integer<std::uint64_t>(1);
                               volume.file = row.text(2);
                               volume.created = row.time(3);
                               volume.options.chap = {row.text(4), row.text(5)};
                               volume.options.mutual_chap = {row.text(6), row.text(7)};
                               volume.options.kind = row.parsed(8, images::parse_volume_kind);
                               volume.options.block_size = row.integer<std::uint32_t>(9);
                               volume.options.read_only = row.integer(10) != 0;
                               volume.layer = row.text(11);
                               volume.options.iso = row.text(12);
                               volume.iso_modified_ns = row.integer(13);
                               volume.options.moved_to = row.text(14);
                               return volume;
                           });
    if (!volumes) {
        return volumes;
    }
    auto initiators = load_initiators(connection);
    if (!initiators) {
        return initiators.error();
    }
    for (images::VolumeRow& volume : *volumes) {
        volume.initiators = std::move((*initiators)[volume.name]);
    }
    return volumes;
}

} // namespace

Result<std::vector<images::LayerRow>> ImageStore::layers() {
    return writer_.run([](Connection& connection) {
        return collect(connection.query("SELECT file, parent, origin, data_write_guid, virtual_size, file_size, created_ms FROM layer ORDER BY file"),
                       "layer", [](Row& row) {
                           return images::LayerRow{row.text(0), row.text(1), row.text(2), identity_at(row, 3), row.time(6)};
                       });
    });
}

Result<std::vector<images::ImageVersion>> ImageStore::versions() {
    return writer_.run([](Connection& connection) {
        return collect(connection.query("SELECT v.image, v.number, v.file, l.data_write_guid, l.virtual_size, l.file_size, v.created_ms, "
                                        "v.number = i.current FROM version v JOIN image i ON i.name = v.image JOIN layer l ON l.file = v.file "
                                        "ORDER BY v.image, v.number"),
                       "version", [](Row& row) {
                           return images::ImageVersion{row.text(0),         row.integer<std::uint32_t>(1), row.text(2),
                                                       identity_at(row, 3), row.time(6),                   row.integer(7) != 0};
                       });
    });
}

Result<std::vector<images::OverlayRow>> ImageStore::overlays() {
    return writer_.run([](Connection& connection) {
        return collect(connection.query("SELECT machine, image, version, kind, file, created_ms, layer, restore FROM overlay ORDER BY machine"),
                       "overlay", [](Row& row) {
                           return images::OverlayRow{row.text(0), row.text(1), row.integer<std::uint32_t>(2), row.parsed(3, parse_kind<images::OverlayKind>),
                                                     row.text(4), row.time(5), row.text(6), row.text(7)};
                       });
    });
}

Result<std::vector<images::VolumeRow>> ImageStore::volumes() { return writer_.run(load_volumes); }

Result<std::vector<images::SnapshotRow>> ImageStore::snapshots() {
    return writer_.run([](Connection& connection) {
        return collect(connection.query("SELECT disk_kind, disk, name, layer, image, version, created_ms FROM snapshot "
                                        "ORDER BY disk_kind, disk, created_ms, name"),
                       "snapshot", [](Row& row) {
                           return images::SnapshotRow{{row.parsed(0, parse_kind<images::DiskKind>), row.text(1)}, row.text(2), row.text(3), row.text(4),
                                                      row.integer<std::uint32_t>(5), row.time(6)};
                       });
    });
}

Result<std::vector<images::Maintenance>> ImageStore::maintenance() {
    return writer_.run([](Connection& connection) {
        return collect(connection.query("SELECT image, machine, since_ms FROM maintenance ORDER BY image"), "maintenance",
                       [](Row& row) { return images::Maintenance{row.text(0), row.text(1), row.time(2)}; });
    });
}

/// What is new in front of what names it, and what goes behind it.
Result<void> ImageStore::apply(const images::CatalogueChange& change) {
    return writer_.run([&change](Connection& connection) {
        Result<void> done = for_all(connection, change.put_layers, write_layer);
        done = done ? for_all(connection, change.put_contents, write_content) : done;
        done = done ? for_all(connection, change.add_versions, write_version) : done;
        done = done ? for_all(connection, change.add_releases, write_release) : done;
        done = done ? for_all(connection, change.put_overlays, write_overlay) : done;
        done = done ? for_all(connection, change.put_volumes, write_volume) : done;
        done = done ? for_all(connection, change.put_snapshots, write_snapshot) : done;
        done = done ? for_all(connection, change.remove_snapshots, delete_snapshot) : done;
        done = done ? delete_named(connection, "overlay", "machine", change.remove_overlays) : done;
        done = done ? for_all(connection, change.rename_overlays, rename_overlay) : done;
        done = done ? for_all(connection, change.put_maintenance, write_maintenance) : done;
        done = done ? delete_named(connection, "maintenance", "machine", change.remove_maintenance) : done;
        done = done ? delete_named(connection, "volume", "name", change.remove_volumes) : done;
        done = done ? for_all(connection, change.remove_versions, delete_version) : done;
        done = done ? delete_named(connection, "image", "name", change.remove_images) : done;
        done = done ? delete_named(connection, "content", "file", change.remove_layers) : done;
        return done ? delete_named(connection, "layer", "file", change.remove_layers) : done;
    });
}

Result<std::vector<images::SpaceSample>> ImageStore::space_samples() {
    return writer_.run([](Connection& connection) {
        return collect(connection.query("SELECT what, day, used_bytes FROM space_sample ORDER BY what, day"), "space_sample", [](Row& row) {
            return images::SpaceSample{row.text(0), {row.integer(1), row.integer<std::uint64_t>(2)}};
        });
    });
}

Result<void> ImageStore::put_space_samples(const std::vector<images::SpaceSample>& samples) {
    return writer_.run([&samples](Connection& connection) -> Result<void> {
        Result<void> written;
        for (const auto& [what, sample] : samples) {
            if (written) {
                written = connection.run("INSERT OR REPLACE INTO space_sample (what, day, used_bytes) VALUES (?1, ?2, ?3)", what, sample.day,
                                         signed_size(sample.used_bytes));
            }
            if (written) { // of every name, so that a group that is no more leaves nothing behind
                written = connection.run("DELETE FROM space_sample WHERE day <= ?1", sample.day - std::int64_t{images::forecast_days_kept});
            }
        }
        return written;
    });
}

} // namespace rootstock::db
