#include "core/version.hpp"

namespace rootstock {
std::string_view version() { return ROOTSTOCK_VERSION; }
} // namespace rootstock
