// Result<T, E>: the one spelling of "value or error". Write only `if (!r)`, `*r`, `r->`, `r.error()`, so that the alias can change.
#pragma once

#include "core/error.hpp"

#include <boost/system/result.hpp>

namespace rootstock {

template <class T, class E = Error> using Result = boost::system::result<T, E>;

} // namespace rootstock
