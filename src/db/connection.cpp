#include "db/connection.hpp"

#include "core/assert.hpp"

#include <sqlite3.h>

namespace rootstock::db {

namespace {

constexpr int busy_timeout_ms = 5000;

/// One sentence for the person at the console, by SQLite's primary result code.
Error explain(int code, const std::string& path, const std::string& said) {
    switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return make_error(std::errc::io_error, "the database " + path + " is damaged or no database (" + said +
                                                   "): restore a copy of it, or move it away to begin with an empty one");
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return make_error(std::errc::permission_denied, "cannot write the database " + path + " (" + said +
                                                            "): its folder must exist, and this user must be able to write there");
    case SQLITE_FULL:
        return make_error(std::errc::no_space_on_device,
                          "the disk that holds the database " + path + " is full: free some space; nothing was changed");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return make_error(std::errc::device_or_resource_busy,
                          "the database " + path + " is in use by another program (" + said + "): end that one first");
    case SQLITE_CONSTRAINT:
        return make_error(std::errc::file_exists, "the database refuses this change (" + said + ")");
    case SQLITE_IOERR:
        return make_error(std::errc::io_error, "reading or writing the database " + path + " failed (" + said +
                                                   "): look for errors of the disk in the kernel's log");
    default:
        return make_error(std::errc::io_error, "the database " + path + " failed: " + said);
    }
}

} // namespace

Statement::Statement(Statement&& other) noexcept
    : connection_(other.connection_), statement_(std::exchange(other.statement_, nullptr)), result_(std::move(other.result_)) {}

Statement::~Statement() {
    if (statement_ != nullptr) {
        sqlite3_reset(statement_);
        sqlite3_clear_bindings(statement_);
    }
}

bool Statement::next() {
    if (!result_) {
        return false;
    }
    const int code = sqlite3_step(statement_);
    note(code);
    return code == SQLITE_ROW;
}

Result<void> Statement::run() {
    while (next()) {
    }
    return result_;
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }

std::string Statement::text(int column) const {
    const unsigned char* data = sqlite3_column_text(statement_, column);
    const int size = sqlite3_column_bytes(statement_, column);
    return data == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
}

ByteVector Statement::blob(int column) const {
    const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
    return data == nullptr ? ByteVector() : ByteVector(data, data + sqlite3_column_bytes(statement_, column));
}

std::optional<std::int64_t> Statement::optional_integer(int column) const {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL ? std::nullopt : std::optional(integer(column));
}

std::optional<std::string> Statement::optional_text(int column) const {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL ? std::nullopt : std::optional(text(column));
}

void Statement::bind(int index, std::int64_t value) {
    if (result_) {
        note(sqlite3_bind_int64(statement_, index, value));
    }
}

void Statement::bind(int index, std::string_view value) {
    if (result_) { // copied: the caller's text may be a temporary
        note(sqlite3_bind_text64(statement_, index, value.empty() ? "" : value.data(), value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
    }
}

void Statement::bind(int index, Bytes value) {
    if (result_) { // a null pointer would be NULL
        note(value.empty() ? sqlite3_bind_zeroblob(statement_, index, 0)
                           : sqlite3_bind_blob64(statement_, index, value.data(), value.size(), SQLITE_TRANSIENT));
    }
}

void Statement::bind_null(int index) {
    if (result_) {
        note(sqlite3_bind_null(statement_, index));
    }
}

void Statement::note(int code) {
    if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE) {
        result_ = connection_->error(code);
    }
}

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path) {
    sqlite3* handle = nullptr;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
    // SQLite gives a handle even with most errors, and it must be closed.
    std::unique_ptr<Connection> connection(new Connection(handle, path));
    if (code != SQLITE_OK) {
        return connection->error(code);
    }
    sqlite3_extended_result_codes(handle, 1);
    sqlite3_busy_timeout(handle, busy_timeout_ms);
    if (auto configured = connection->configure(); !configured) {
        return configured.error();
    }
    return connection;
}

Result<void> Connection::configure() {
    {
        Statement mode = query("PRAGMA journal_mode = WAL");
        const bool row = mode.next();
        if (!mode.result()) {
            return mode.result();
        }
        if (!row || mode.text(0) != "wal") {
            return make_error(std::errc::permission_denied,
                              "the database " + path_ + " cannot be kept in write-ahead mode: its folder must be on a local disk and writable");
        }
    }
    return script("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 16777216;");
}

Connection::~Connection() {
    for (const auto& [sql, statement] : cache_) {
        sqlite3_finalize(statement);
    }
    sqlite3_close(handle_);
}

Statement Connection::prepare(std::string_view sql) {
    if (const auto cached = cache_.find(sql); cached != cache_.end()) {
        RS_ASSERT(sqlite3_stmt_busy(cached->second) == 0); // its last borrower still reads
        return {*this, cached->second};
    }
    sqlite3_stmt* prepared = nullptr;
    const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &prepared, nullptr);
    Statement statement(*this, prepared);
    statement.note(code);
    if (code == SQLITE_OK) {
        cache_.emplace(sql, prepared);
    }
    return statement;
}

Result<void> Connection::script(const std::string& sql) {
    const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) {
        return error(code);
    }
    return {};
}

std::int64_t Connection::last_insert_id() const { return sqlite3_last_insert_rowid(handle_); }

bool Connection::in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }

Error Connection::error(int code) const {
    return explain(code, path_, handle_ != nullptr ? sqlite3_errmsg(handle_) : sqlite3_errstr(code));
}

} // namespace rootstock::db
