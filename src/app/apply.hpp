// Does what a plan says, and remembers what the file said. Each step is durable by itself; killed between two of them, the next apply does the rest.
#pragma once

#include "app/plan.hpp"

namespace rootstock::app {

/// Loads what a plan needs and makes it. Blocks.
[[nodiscard]] Result<Plan> plan_for(const Config& config, const fleet::Registry& registry, fleet::Store& store, images::Store& images);

/// Blocks. Gives the steps that could not be done, one sentence each; the others are done, and the failed ones are tried again next time.
/// `by`: for the audit trail. An error: the store failed.
[[nodiscard]] Result<std::vector<std::string>> apply_plan(const Plan& plan, fleet::Registry& registry, fleet::Store& store, images::Store& images,
                                                          std::string_view by);

} // namespace rootstock::app
