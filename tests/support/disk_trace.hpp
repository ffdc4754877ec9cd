// Traces: short random histories of a disk, run against a model. For simulations that cut them off anywhere.
#pragma once

#include "support/disk_model.hpp"

#include <functional>

namespace rootstock::test {

enum class TraceKind : std::uint8_t { write, fua_write, zero, flush };

struct TraceStep {
    TraceKind kind{};
    std::uint64_t first = 0; // sectors
    std::uint64_t count = 0;
};

/// Mostly small writes near each other, some large ones, discards of parts and of whole blocks, flushes.
[[nodiscard]] std::vector<TraceStep> random_trace(std::uint64_t seed, std::size_t steps, std::uint64_t sector_count);

/// Performs the step on the disk and in the model; false when the disk answered with an error.
bool perform(const TraceStep& step, block::BlockDevice& disk, DiskModel& model);

} // namespace rootstock::test
