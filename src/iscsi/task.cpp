#include "iscsi/task.hpp"

namespace rootstock::iscsi {

void Task::reset() {
    state = State::free;
    unit = nullptr;
    nexus = nullptr;
    claim = {};
    cdb.clear();
    io.data.clear();
    io.ranges.clear();
    collects_parameters = false;
    expected_in = expected_out = wanted = transfer = done = asked = 0;
    unsolicited.release();
    unsolicited_size = unsolicited_data_sn = next_r2t_sn = next_data_in_sn = 0;
    for (Burst& burst : bursts) {
        burst.state = Burst::State::free;
        burst.buffer.release();
    }
    read_buffer.release();
    job.miss = {};
    loads = 0;
    abort_serial = 0;
    result.error.reset();
    result.extents.clear();
}

} // namespace rootstock::iscsi
