#include "db/image_store.hpp"

#include "db/values.hpp"

namespace rootstock::db {

namespace {

std::string_view kind_name(images::OverlayKind kind) { return kind == images::OverlayKind::persistent ? "persistent" : "reset"; }

std::optional<images::OverlayKind> parse_kind(std::string_view name) {
    for (const auto kind : {images::OverlayKind::persistent, images::OverlayKind::reset}) {
        if (name == kind_name(kind)) {
            return kind;
        }
    }
    return std::nullopt;
}

std::string_view kind_name(images::VolumeKind kind) { return kind == images::VolumeKind::disk ? "disk" : "volatile"; }

std::optional<images::VolumeKind> parse_volume_kind(std::string_view name) {
    for (const auto kind : {images::VolumeKind::disk, images::VolumeKind::memory_only}) {
        if (name == kind_name(kind)) {
            return kind;
        }
    }
    return std::nullopt;
}

std::int64_t signed_size(std::uint64_t size_bytes) { return static_cast<std::int64_t>(size_bytes); }

Result<void> write_volume(Connection& connection, const images::VolumeRow& volume) {
    const images::VolumeOptions& options = volume.options;
    auto written = connection.run("INSERT INTO volume (name, size_bytes, file, created_ms, chap_user, chap_secret, mutual_chap_user, "
                                  "mutual_chap_secret, kind, block_size, read_only) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) "
                                  "ON CONFLICT (name) DO UPDATE SET size_bytes = ?2, file = ?3, created_ms = ?4, chap_user = ?5, "
                                  "chap_secret = ?6, mutual_chap_user = ?7, mutual_chap_secret = ?8, kind = ?9, block_size = ?10, read_only = ?11",
                                  volume.name, signed_size(volume.size_bytes), volume.file, unix_ms(volume.created), options.chap.user,
                                  options.chap.secret, options.mutual_chap.user, options.mutual_chap.secret, kind_name(options.kind),
                                  std::int64_t{options.block_size}, std::int64_t{options.read_only ? 1 : 0});
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

Result<std::vector<std::string>> load_initiators(Connection& connection, const std::string& volume) {
    return collect(connection.query("SELECT initiator FROM volume_initiator WHERE volume = ?1 ORDER BY position", volume), "volume_initiator",
                   [](Row& row) { return row.text(0); });
}

Result<std::vector<images::VolumeRow>> load_volumes(Connection& connection) {
    auto volumes = collect(connection.query("SELECT name, size_bytes, file, created_ms, chap_user, chap_secret, mutual_chap_user, "
                                            "mutual_chap_secret, kind, block_size, read_only FROM volume ORDER BY name"),
                           "volume", [](Row& row) {
                               images::VolumeRow volume;
                               volume.name = row.text(0);
                               volume.size_bytes = row.integer<std::uint64_t>(1);
                               volume.file = row.text(2);
                               volume.created = row.time(3);
                               volume.options.chap = {row.text(4), row.text(5)};
                               volume.options.mutual_chap = {row.text(6), row.text(7)};
                               volume.options.kind = row.parsed(8, parse_volume_kind);
                               volume.options.block_size = row.integer<std::uint32_t>(9);
                               volume.options.read_only = row.integer(10) != 0;
                               return volume;
                           });
    if (!volumes) {
        return volumes;
    }
    for (images::VolumeRow& volume : *volumes) {
        auto initiators = load_initiators(connection, volume.name);
        if (!initiators) {
            return initiators.error();
        }
        volume.initiators = std::move(*initiators);
    }
    return volumes;
}

} // namespace

Result<std::vector<images::ImageVersion>> ImageStore::versions() {
    return writer_.run([](Connection& connection) {
        return collect(connection.query("SELECT v.image, v.number, v.file, v.data_write_guid, v.virtual_size, v.file_size, v.created_ms, "
                                        "v.number = i.current FROM version v JOIN image i ON i.name = v.image ORDER BY v.image, v.number"),
                       "version", [](Row& row) {
                           images::ImageVersion version;
                           version.image = row.text(0);
                           version.number = row.integer<std::uint32_t>(1);
                           version.file = row.text(2);
                           version.identity.data_write_guid = row.parsed(3, Guid::parse);
                           version.identity.virtual_size = row.integer<std::uint64_t>(4);
                           version.identity.file_size = row.integer<std::uint64_t>(5);
                           version.created = row.time(6);
                           version.current = row.integer(7) != 0;
                           return version;
                       });
    });
}

Result<void> ImageStore::add_version(const images::ImageVersion& version) {
    return writer_.run([&version](Connection& connection) -> Result<void> {
        const auto number = std::int64_t{version.number};
        auto added = connection.run("INSERT INTO image (name, current) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET current = ?2",
                                    version.image, number);
        if (added) {
            added = connection.run("INSERT INTO version (image, number, file, data_write_guid, virtual_size, file_size, created_ms) "
                                   "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                                   version.image, number, version.file, version.identity.data_write_guid.text(),
                                   signed_size(version.identity.virtual_size), signed_size(version.identity.file_size),
                                   unix_ms(version.created));
        }
        return added;
    });
}

Result<void> ImageStore::remove_image(const std::string& image) {
    return writer_.run([&image](Connection& connection) { return connection.run("DELETE FROM image WHERE name = ?1", image); });
}

Result<std::vector<images::OverlayRow>> ImageStore::overlays() {
    return writer_.run([](Connection& connection) {
        return collect(connection.query("SELECT machine, image, version, kind, file, created_ms FROM overlay ORDER BY machine"), "overlay",
                       [](Row& row) {
                           images::OverlayRow overlay;
                           overlay.machine = row.text(0);
                           overlay.image = row.text(1);
                           overlay.version = row.integer<std::uint32_t>(2);
                           overlay.kind = row.parsed(3, parse_kind);
                           overlay.file = row.text(4);
                           overlay.created = row.time(5);
                           return overlay;
                       });
    });
}

Result<void> ImageStore::put_overlay(const images::OverlayRow& overlay) {
    return writer_.run([&overlay](Connection& connection) {
        return connection.run("INSERT INTO overlay (machine, image, version, kind, file, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6) "
                              "ON CONFLICT (machine) DO UPDATE SET image = ?2, version = ?3, kind = ?4, file = ?5, created_ms = ?6",
                              overlay.machine, overlay.image, std::int64_t{overlay.version}, kind_name(overlay.kind), overlay.file,
                              unix_ms(overlay.created));
    });
}

Result<void> ImageStore::remove_overlay(const std::string& machine) {
    return writer_.run([&machine](Connection& connection) { return connection.run("DELETE FROM overlay WHERE machine = ?1", machine); });
}

Result<std::vector<images::VolumeRow>> ImageStore::volumes() { return writer_.run(load_volumes); }

Result<void> ImageStore::put_volume(const images::VolumeRow& volume) {
    return writer_.run([&volume](Connection& connection) { return write_volume(connection, volume); });
}

Result<void> ImageStore::remove_volume(const std::string& name) {
    return writer_.run([&name](Connection& connection) { return connection.run("DELETE FROM volume WHERE name = ?1", name); });
}

} // namespace rootstock::db
