// Connection and Statement: SQLite as values and Results. The only file that includes sqlite3.h is the one beside this.
// One thread at a time; in the program that is the writer's (writer.hpp).
#pragma once

#include "core/bytes.hpp"
#include "core/result.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace rootstock::db {

class Connection;

/// A prepared statement on loan from its connection's cache, with its values bound. Read the rows with next(), then ask result().
class Statement {
  public:
    Statement(Statement&& other) noexcept;
    Statement& operator=(Statement&&) = delete;
    ~Statement();

    /// True: a row is there. False: no more rows, or an error: result() tells which.
    [[nodiscard]] bool next();
    [[nodiscard]] Result<void> result() const { return result_; }
    /// For statements that give no rows.
    [[nodiscard]] Result<void> run();

    // Columns count from 0.
    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] std::string text(int column) const;
    [[nodiscard]] ByteVector blob(int column) const;
    [[nodiscard]] std::optional<std::int64_t> optional_integer(int column) const;
    [[nodiscard]] std::optional<std::string> optional_text(int column) const;

  private:
    friend class Connection;
    Statement(Connection& connection, sqlite3_stmt* statement) : connection_(&connection), statement_(statement) {}

    void bind(int index, std::int64_t value);
    void bind(int index, std::string_view value);
    void bind(int index, Bytes value);
    void bind_null(int index);
    template <class T> void bind(int index, const std::optional<T>& value) {
        if (value) {
            bind(index, *value);
        } else {
            bind_null(index);
        }
    }
    void note(int code);

    Connection* connection_;
    sqlite3_stmt* statement_; // null: could not be prepared, result_ says why
    Result<void> result_;
};

class Connection {
  public:
    /// Opens or creates `path` for this process' only connection: WAL, foreign keys, every commit durable (synchronous = FULL).
    [[nodiscard]] static Result<std::unique_ptr<Connection>> open(const std::string& path);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

    /// `sql` lives in the cache for good: literals only. Values: integers, texts, Bytes, optionals of them.
    template <class... Values> [[nodiscard]] Statement query(std::string_view sql, const Values&... values) {
        Statement statement = prepare(sql);
        int index = 0;
        (statement.bind(++index, values), ...);
        return statement;
    }
    template <class... Values> [[nodiscard]] Result<void> run(std::string_view sql, const Values&... values) {
        return query(sql, values...).run();
    }
    /// Any number of statements, not cached.
    [[nodiscard]] Result<void> script(const std::string& sql);

    [[nodiscard]] std::int64_t last_insert_id() const;
    /// False after an error that made SQLite roll the whole transaction back (disk full, I/O error).
    [[nodiscard]] bool in_transaction() const;
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    friend class Statement;
    Connection(sqlite3* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
    [[nodiscard]] Statement prepare(std::string_view sql);
    [[nodiscard]] Result<void> configure();
    [[nodiscard]] Error error(int code) const;

    sqlite3* handle_;
    std::string path_;
    std::map<std::string, sqlite3_stmt*, std::less<>> cache_;
};

} // namespace rootstock::db
