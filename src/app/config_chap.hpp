// CHAP identities in a configuration file: of a volume, and of discovery.
#pragma once

#include "app/config_reader.hpp"
#include "images/volume.hpp"

namespace rootstock::app {

/// `PREFIXchap` and `PREFIXmutual_chap`, and what must hold between them. `header`: of the table, for messages.
void read_chap_pair(TableReader& table, const std::string& header, const std::string& prefix, images::ChapIdentity& chap,
                    images::ChapIdentity& mutual);

} // namespace rootstock::app
