#include "iscsi/io_job.hpp"

namespace rootstock::iscsi {

void IoJob::run() {
    result = {};
    Result<void, block::IoError> outcome;
    switch (kind) {
    case Kind::load:
        outcome = miss.loader->load(miss.chunk);
        break;
    case Kind::read:
        outcome = unit->device().read(offset, bytes);
        break;
    case Kind::write:
        outcome = unit->write(claim, offset, bytes, fua);
        break;
    case Kind::perform:
        result = unit->perform(*io, claim);
        return;
    case Kind::await_writes:
        unit->await_writes();
        break;
    }
    if (!outcome) {
        result.error = outcome.error();
    }
}

} // namespace rootstock::iscsi
