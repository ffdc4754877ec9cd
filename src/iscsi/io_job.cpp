#include "iscsi/io_job.hpp"

namespace rootstock::iscsi {

bool IoJob::changes_medium() const {
    using Op = scsi::BlockIo::Op;
    switch (kind) {
    case Kind::load:
    case Kind::read:
        return false;
    case Kind::write:
        return true;
    case Kind::perform:
        return io->op == Op::write_and_verify || io->op == Op::compare_and_write || io->op == Op::or_write || io->op == Op::write_same ||
               io->op == Op::discard || io->op == Op::write_zeros || io->op == Op::copy;
    }
    return false;
}

void IoJob::run() {
    result = {};
    if (changes_medium() && nexus->abort_epoch() != abort_epoch) { // whoever aborted it must not see its data arrive later
        result.error = block::IoError::gone;
        return;
    }
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
