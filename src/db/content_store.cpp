#include "db/content_store.hpp"

#include "core/text.hpp"
#include "db/values.hpp"

namespace rootstock::db {

namespace {

using images::ContentDigest;
using images::ContentState;
using images::File;
using Damage = std::vector<File::Stretch>;

std::string damage_text(const Damage& damage) {
    std::string text;
    for (const File::Stretch& each : damage) {
        text += (text.empty() ? "" : " ") + std::to_string(each.offset) + "+" + std::to_string(each.length);
    }
    return text;
}

std::optional<Damage> parse_damage(std::string_view text) {
    Damage damage;
    for (const std::string_view part : split(text, ' ')) {
        const std::size_t plus = part.find('+');
        const auto offset = parse_number<std::uint64_t>(part.substr(0, plus));
        const auto length = plus == part.npos ? std::nullopt : parse_number<std::uint64_t>(part.substr(plus + 1));
        if (!offset || !length) {
            return std::nullopt;
        }
        damage.push_back({*offset, *length});
    }
    return damage;
}

ContentState read_state(Row& row) {
    ContentState state;
    state.file = row.text(0);
    state.root = row.text(1);
    if (row.optional_integer(2)) {
        state.verified = row.time(2);
    }
    state.damage = row.text(3).empty() ? Damage() : row.parsed(3, parse_damage);
    state.data_write_guid = row.parsed(4, Guid::parse);
    return state;
}

Result<std::optional<ContentDigest>> load_digest(Connection& connection, const std::string& file) {
    Statement row = connection.query("SELECT file_size, root, leaves FROM content WHERE file = ?1", file);
    if (!row.next()) {
        return row.result() ? Result<std::optional<ContentDigest>>(std::nullopt) : row.result().error();
    }
    ContentDigest digest;
    digest.file_size = static_cast<std::uint64_t>(row.integer(0));
    digest.leaves = row.blob(2);
    if (digest.leaves.size() % images::digest_size != 0 || digest.root() != row.text(1)) {
        return make_error(std::errc::io_error, "the database's record of the contents of " + file + " is damaged: restore a copy of the database");
    }
    return std::optional(std::move(digest));
}

} // namespace

Result<void> write_content(Connection& connection, const images::ContentRecord& record) {
    return connection.run("INSERT INTO content (file, file_size, root, verified_ms, leaves, data_write_guid) VALUES (?1, ?2, ?3, ?4, ?5, ?6) "
                          "ON CONFLICT (file) DO UPDATE SET file_size = ?2, root = ?3, verified_ms = ?4, leaves = ?5, data_write_guid = ?6, damage = ''",
                          record.file, static_cast<std::int64_t>(record.digest.file_size), record.digest.root(),
                          record.verified ? std::optional(unix_ms(*record.verified)) : std::nullopt, Bytes(record.digest.leaves),
                          record.data_write_guid.text());
}

Result<std::vector<ContentState>> ContentStore::all() {
    return writer_.run([](Connection& connection) {
        return collect(connection.query("SELECT file, root, verified_ms, damage, data_write_guid FROM content ORDER BY file"), "content", read_state);
    });
}

Result<std::optional<ContentState>> ContentStore::find(const std::string& file) {
    return writer_.run([&file](Connection& connection) -> Result<std::optional<ContentState>> {
        auto found = collect(connection.query("SELECT file, root, verified_ms, damage, data_write_guid FROM content WHERE file = ?1", file), "content", read_state);
        if (!found) {
            return found.error();
        }
        return found->empty() ? std::nullopt : std::optional(std::move(found->front()));
    });
}

Result<std::optional<ContentDigest>> ContentStore::digest(const std::string& file) {
    return writer_.run([&file](Connection& connection) { return load_digest(connection, file); });
}

Result<void> ContentStore::put(const images::ContentRecord& record) {
    return writer_.run([&record](Connection& connection) { return write_content(connection, record); });
}

Result<void> ContentStore::note_verified(const std::string& file, WallTime when, const Damage& damage) {
    return writer_.run([&](Connection& connection) {
        return connection.run("UPDATE content SET verified_ms = ?2, damage = ?3 WHERE file = ?1", file, unix_ms(when), damage_text(damage));
    });
}

Result<void> ContentStore::remove(const std::string& file) {
    return writer_.run([&file](Connection& connection) { return connection.run("DELETE FROM content WHERE file = ?1", file); });
}

} // namespace rootstock::db
