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
        outcome = unit->device().write(offset, bytes, fua);
        break;
    case Kind::perform:
        result = scsi::perform(*unit, *io);
        return;
    }
    if (!outcome) {
        result.error = outcome.error();
    }
}

} // namespace rootstock::iscsi
