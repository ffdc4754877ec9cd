#include "db/migrations.hpp"

#include "assets/assets.hpp"
#include "core/assert.hpp"
#include "core/text.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace rootstock::db {

namespace {

/// In the file's header ("Root"), so that nobody takes another program's database for ours.
constexpr std::int64_t application_id = 0x526f6f74;

Result<std::int64_t> read_number(Connection& connection, std::string_view sql) {
    Statement row = connection.query(sql);
    const bool found = row.next();
    if (!row.result()) {
        return row.result().error();
    }
    return found ? row.integer(0) : 0;
}

Result<void> check_integrity(Connection& connection) {
    Statement row = connection.query("PRAGMA quick_check(1)");
    const bool found = row.next();
    if (!row.result()) {
        return row.result();
    }
    if (found && row.text(0) != "ok") {
        return make_error(std::errc::io_error, "the database " + connection.path() + " is damaged (" + row.text(0) +
                                                   "): restore a copy of it, or move it away to begin with an empty one");
    }
    return {};
}

/// An empty file for its owner only: the copy holds secrets, like the database.
Result<void> create_private(const std::string& path) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) {
        return errno_error("cannot create " + path);
    }
    ::close(file);
    return {};
}

Result<void> sync_and_rename(const std::string& from, const std::string& to) {
    const int file = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
    const bool synced = file >= 0 && ::fsync(file) == 0;
    const int number = errno;
    if (file >= 0) {
        ::close(file);
    }
    if (!synced) {
        return errno_error(number, "cannot sync " + from);
    }
    if (std::rename(from.c_str(), to.c_str()) != 0) {
        return errno_error("cannot rename " + from + " to " + to);
    }
    return {};
}

Result<std::string> back_up(Connection& connection, std::int64_t version) {
    const std::string target = connection.path() + ".v" + std::to_string(version) + ".bak";
    const std::string temporary = target + ".tmp";
    if (auto created = create_private(temporary); !created) {
        return created.error();
    }
    if (auto copied = connection.run("VACUUM INTO ?1", temporary); !copied) {
        ::unlink(temporary.c_str());
        return copied.error();
    }
    if (auto renamed = sync_and_rename(temporary, target); !renamed) {
        return renamed.error();
    }
    return target;
}

Result<void> run_migration(Connection& connection, const Migration& migration) {
    const std::string numbers = "PRAGMA user_version = " + std::to_string(migration.number) +
                                "; PRAGMA application_id = " + std::to_string(application_id) + ";";
    auto done = connection.script("BEGIN EXCLUSIVE;\n" + migration.sql + "\n" + numbers + "COMMIT;");
    if (!done && connection.in_transaction()) {
        static_cast<void>(connection.script("ROLLBACK;")); // the first error is the one to tell
    }
    return done;
}

/// The version of the database; 0 for an empty one.
Result<std::int64_t> checked_version(Connection& connection, std::int64_t newest) {
    const auto version = read_number(connection, "PRAGMA user_version");
    if (!version) {
        return version;
    }
    const auto tables = read_number(connection, "SELECT count(*) FROM sqlite_schema");
    if (!tables) {
        return tables;
    }
    const auto application = read_number(connection, "PRAGMA application_id");
    if (!application) {
        return application;
    }
    if (*tables != 0 && *application != application_id) {
        return make_error(std::errc::invalid_argument, connection.path() +
                                                           " is a database of another program: choose another data directory, or move it away");
    }
    if (*version > newest || *version < 0) {
        return make_error(std::errc::not_supported,
                          "the database " + connection.path() + " was written by a newer Rootstock (schema " + std::to_string(*version) +
                              ", this program knows " + std::to_string(newest) + "): install that version, or restore the copy " +
                              connection.path() + ".v" + std::to_string(newest) + ".bak");
    }
    return version;
}

} // namespace

std::vector<Migration> embedded_migrations() {
    std::vector<Migration> migrations;
    for (const assets::Asset& asset : assets::all()) {
        constexpr std::string_view folder = "schema/";
        if (asset.name.starts_with(folder)) {
            const auto number = parse_number<int>(asset.name.substr(folder.size(), 4));
            RS_ASSERT(number && *number > (migrations.empty() ? 0 : migrations.back().number)); // they ascend; a number may be left out
            migrations.push_back({*number, std::string(as_text(asset.bytes))});
        }
    }
    return migrations;
}

Result<void> migrate(Connection& connection, std::span<const Migration> migrations) {
    if (auto intact = check_integrity(connection); !intact) {
        return intact;
    }
    const auto version = checked_version(connection, migrations.empty() ? 0 : migrations.back().number);
    if (!version) {
        return version.error();
    }
    const auto first_missing = std::ranges::find_if(migrations, [&](const Migration& migration) { return migration.number > *version; });
    const auto missing = std::span(first_missing, migrations.end());
    std::string copy;
    if (!missing.empty() && *version > 0) {
        const auto backed_up = back_up(connection, *version);
        if (!backed_up) {
            return backed_up.error();
        }
        copy = *backed_up;
    }
    for (const Migration& migration : missing) {
        if (auto done = run_migration(connection, migration); !done) {
            Error error = done.error();
            error.what = "bringing the database to schema " + std::to_string(migration.number) + " failed: " + error.what +
                         (copy.empty() ? "" : "; a copy of how it was is in " + copy);
            return error;
        }
    }
    return {};
}

} // namespace rootstock::db
