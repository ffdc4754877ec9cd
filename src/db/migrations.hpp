// Migrations: numbered SQL scripts bring a database of any older version to the one this program knows.
#pragma once

#include "db/connection.hpp"

#include <span>
#include <vector>

namespace rootstock::db {

struct Migration {
    int number = 0; // 1, 2, ...; without gaps
    std::string sql;
};

/// The ones inside the binary: assets "schema/NNNN_*.sql".
[[nodiscard]] std::vector<Migration> embedded_migrations();

/// Runs what is missing, each script in a transaction of its own together with the new version number. Before the first one an existing database is
/// copied to PATH.vN.bak. Refused: a database of a newer program, of another program, or one that fails its check.
[[nodiscard]] Result<void> migrate(Connection& connection, std::span<const Migration> migrations);

} // namespace rootstock::db
