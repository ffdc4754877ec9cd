#include "db/trace_store.hpp"

#include "core/wire_int.hpp"
#include "db/values.hpp"
#include "images/limits.hpp"

#include <cstring>

namespace rootstock::db {

namespace {

using images::BootTrace;
using images::TraceFacts;

constexpr std::size_t number_bytes = sizeof(le32);

ByteVector pack(const std::vector<std::uint32_t>& blocks) {
    ByteVector bytes(blocks.size() * number_bytes);
    for (std::size_t at = 0; at < blocks.size(); ++at) {
        const le32 number{blocks[at]};
        std::memcpy(bytes.data() + at * number_bytes, &number, number_bytes);
    }
    return bytes;
}

/// Nothing: damaged.
std::optional<std::vector<std::uint32_t>> unpack(const ByteVector& bytes) {
    if (bytes.size() % number_bytes != 0 || bytes.size() / number_bytes > images::limits::trace_blocks) {
        return std::nullopt;
    }
    std::vector<std::uint32_t> blocks;
    for (std::size_t at = 0; at < bytes.size(); at += number_bytes) {
        le32 number;
        std::memcpy(&number, bytes.data() + at, number_bytes);
        if (!blocks.empty() && number <= blocks.back()) {
            return std::nullopt;
        }
        blocks.push_back(number);
    }
    return blocks;
}

/// Of the columns machine, recorded_ms, reads, bytes from `first` on.
TraceFacts facts_at(const Row& row, int first) {
    return {row.integer<std::uint64_t>(first + 2), row.integer<std::uint64_t>(first + 3), 0, row.text(first), row.time(first + 1)};
}

Result<std::optional<BootTrace>> load(Connection& connection, const std::string& image, std::uint32_t version) {
    Statement row = connection.query("SELECT machine, recorded_ms, reads, bytes, blocks FROM trace WHERE image = ?1 AND version = ?2", image,
                                     std::int64_t{version});
    if (!row.next()) {
        return row.result() ? Result<std::optional<BootTrace>>(std::nullopt) : row.result().error();
    }
    auto blocks = unpack(row.blob(4));
    if (!blocks) {
        return make_error(std::errc::io_error, "the database's boot trace of version " + std::to_string(version) + " of image " + image +
                                                   " is damaged: restore a copy of the database");
    }
    BootTrace trace{facts_at(Row(row), 0), std::move(*blocks)};
    trace.facts.block_count = trace.blocks.size();
    return std::optional(std::move(trace));
}

} // namespace

Result<std::vector<TraceStore::Row>> TraceStore::all() {
    return writer_.run([](Connection& connection) {
        return collect(connection.query("SELECT image, version, machine, recorded_ms, reads, bytes, length(blocks) FROM trace ORDER BY image, version"),
                       "trace", [](db::Row& row) {
                           Row found{row.text(0), row.integer<std::uint32_t>(1), facts_at(row, 2)};
                           found.facts.block_count = row.integer<std::uint64_t>(6) / number_bytes;
                           return found;
                       });
    });
}

Result<std::optional<BootTrace>> TraceStore::find(const std::string& image, std::uint32_t version) {
    return writer_.run([&](Connection& connection) { return load(connection, image, version); });
}

Result<void> TraceStore::put(const std::string& image, std::uint32_t version, const BootTrace& trace) {
    const ByteVector blocks = pack(trace.blocks);
    return writer_.run([&](Connection& connection) {
        return connection.run("INSERT INTO trace (image, version, machine, recorded_ms, reads, bytes, blocks) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) "
                              "ON CONFLICT (image, version) DO UPDATE SET machine = ?3, recorded_ms = ?4, reads = ?5, bytes = ?6, blocks = ?7",
                              image, std::int64_t{version}, trace.facts.machine, unix_ms(trace.facts.recorded),
                              static_cast<std::int64_t>(trace.facts.reads), static_cast<std::int64_t>(trace.facts.bytes), Bytes(blocks));
    });
}

} // namespace rootstock::db
