// How an Error of the file layer looks to a block device's user.
#pragma once

#include "block/block_device.hpp"
#include "core/error.hpp"

#include <cerrno>

namespace rootstock::images {

[[nodiscard]] inline bool is_no_space(const Error& error) {
    return error.code == std::errc::no_space_on_device || error.code.value() == EDQUOT;
}

[[nodiscard]] inline block::IoError io_error(const Error& error) { return is_no_space(error) ? block::IoError::no_space : block::IoError::medium; }

} // namespace rootstock::images
