#include "support/disk_trace.hpp"

#include "core/random.hpp"

#include <algorithm>

namespace rootstock::test {
namespace {

constexpr std::uint64_t sectors_per_block = 4096;

TraceStep random_range(SeededRandom& random, TraceKind kind, std::uint64_t longest, std::uint64_t sector_count) {
    const std::uint64_t count = 1 + random.u64() % std::min(longest, sector_count);
    return {kind, random.u64() % (sector_count - count + 1), count};
}

TraceStep random_step(SeededRandom& random, std::uint64_t sector_count) {
    const std::uint64_t hot = std::min<std::uint64_t>(sector_count, 64); // small writes that meet one another
    switch (random.u32() % 16) {
    case 0:
    case 1:
    case 2:
    case 3: return random_range(random, TraceKind::write, 16, hot);
    case 4:
    case 5:
    case 6: return random_range(random, TraceKind::write, 64, sector_count);
    case 7: return random_range(random, TraceKind::write, 2 * sectors_per_block, sector_count);
    case 8: { // a whole block
        const std::uint64_t block = random.u64() % (sector_count / sectors_per_block);
        return {TraceKind::write, block * sectors_per_block, sectors_per_block};
    }
    case 9: return random_range(random, TraceKind::fua_write, 16, sector_count);
    case 10: return random_range(random, TraceKind::fua_write, 16, hot);
    case 11: return random_range(random, TraceKind::zero, 16, hot);
    case 12: return random_range(random, TraceKind::zero, 3 * sectors_per_block, sector_count);
    case 13: {
        const std::uint64_t block = random.u64() % (sector_count / sectors_per_block);
        return {TraceKind::zero, block * sectors_per_block, sectors_per_block};
    }
    default: return {TraceKind::flush, 0, 0};
    }
}

} // namespace

std::vector<TraceStep> random_trace(std::uint64_t seed, std::size_t steps, std::uint64_t sector_count) {
    SeededRandom random(seed);
    std::vector<TraceStep> trace;
    while (trace.size() < steps) {
        trace.push_back(random_step(random, sector_count));
    }
    return trace;
}

bool perform(const TraceStep& step, block::BlockDevice& disk, DiskModel& model) {
    const std::uint64_t offset = step.first * model_sector;
    bool done = false;
    switch (step.kind) {
    case TraceKind::flush:
        done = static_cast<bool>(disk.flush());
        if (done) {
            model.flushed();
        }
        return done;
    case TraceKind::zero:
        model.begin_zero(step.first, step.count);
        done = static_cast<bool>(disk.discard(offset, step.count * model_sector));
        break;
    case TraceKind::write:
    case TraceKind::fua_write: {
        const Tag tag = model.begin_write(step.first, step.count);
        done = static_cast<bool>(disk.write(offset, pattern(tag, step.first, step.count), step.kind == TraceKind::fua_write));
        break;
    }
    }
    if (!done) {
        model.failed();
        return false;
    }
    model.acknowledged();
    if (step.kind == TraceKind::fua_write) {
        model.flushed_range(step.first, step.count);
    }
    return true;
}

} // namespace rootstock::test
