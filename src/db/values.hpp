// How values lie in columns: times as milliseconds since 1970 UTC, addresses, MACs and GUIDs as text. What cannot be read back is a damaged row.
#pragma once

#include "core/clock.hpp"
#include "core/guid.hpp"
#include "core/ipv4.hpp"
#include "core/mac.hpp"
#include "db/connection.hpp"

#include <algorithm>
#include <vector>

namespace rootstock::db {

/// Reads the columns of one row; remembers whether one of them made no sense.
class Row {
  public:
    explicit Row(const Statement& statement) : statement_(statement) {}

    [[nodiscard]] std::string text(int column) const { return statement_.text(column); }
    template <class T = std::int64_t> [[nodiscard]] T integer(int column) const { return static_cast<T>(statement_.integer(column)); }
    [[nodiscard]] std::optional<std::int64_t> optional_integer(int column) const { return statement_.optional_integer(column); }
    [[nodiscard]] WallTime time(int column) const { return wall_from_unix_ms(statement_.integer(column)); }

    /// `parse`: text -> optional<T>, like Mac::parse.
    template <class Parse> auto parsed(int column, Parse parse) {
        const auto value = parse(statement_.text(column));
        damaged_ = damaged_ || !value;
        return value.value_or(typename decltype(parse(std::string()))::value_type{});
    }
    template <class Parse> auto optional_parsed(int column, Parse parse) -> decltype(parse(std::string())) {
        if (!statement_.optional_text(column)) {
            return std::nullopt;
        }
        return parsed(column, parse);
    }

    /// Call after the columns are read.
    [[nodiscard]] Result<void> check(std::string_view table) const {
        if (damaged_) {
            return make_error(std::errc::io_error, "the database's table " + std::string(table) + " holds a damaged row (" +
                                                       statement_.text(0) + "): restore a copy of the database");
        }
        return {};
    }

  private:
    const Statement& statement_;
    bool damaged_ = false;
};

/// The rows of `rows`, each made by `make(Row&) -> T`.
template <class Make> auto collect(Statement rows, std::string_view table, Make make) -> Result<std::vector<std::invoke_result_t<Make, Row&>>> {
    std::vector<std::invoke_result_t<Make, Row&>> values;
    while (rows.next()) {
        Row row(rows);
        values.push_back(make(row));
        if (auto checked = row.check(table); !checked) {
            return checked.error();
        }
    }
    if (auto done = rows.result(); !done) {
        return done.error();
    }
    return values;
}

template <class T> [[nodiscard]] std::optional<std::string> text_of(const std::optional<T>& value) {
    return value ? std::optional(value->text()) : std::nullopt;
}

} // namespace rootstock::db
