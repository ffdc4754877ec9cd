// What the configuration file would change, as the API shows it (docs/api.md). Made by app/.
#pragma once

#include "core/error.hpp"

#include <string>
#include <vector>

namespace rootstock::api {

/// One difference between the configuration file and what is (docs/api.md).
struct PlanChange {
    std::string action; // "add", "change", "remove"
    std::string object; // "machine/lab1-07"
    std::string field, from, to;
    std::string text; // "machine lab1-07: image win10 -> win11"
};

struct Plan {
    std::vector<PlanChange> changes;
    std::vector<std::string> notes;
};

/// Why there is no plan: `problems` of the file, one line each, or another error.
struct PlanFailure {
    std::vector<std::string> problems;
    Error error;
};

} // namespace rootstock::api
