// The three-way comparison: what the file said when it was applied last, what it says now, and what is. Pure.
//
//   the file's value is new                 the file wins                    a planned change
//   the file's value is as it was applied   what is stays, if it differs     a note (drift): somebody changed it elsewhere, on purpose
//   it left the file                        nothing that holds data goes     machines without a disk are removed, all else is noted
//
// docs/configuration.md, "Plan and apply", tells the same to users.
#pragma once

#include "api/plan.hpp"
#include "app/config.hpp"
#include "images/store.hpp"

#include <map>
#include <variant>

namespace rootstock::app {

/// One difference, as the API and the command line show it (docs/api.md).
using PlannedChange = api::PlanChange;

// What apply() does: all changes of one object at once.
struct AddMachine {
    fleet::NewMachine machine;
};
struct ChangeMachine {
    std::string name;
    fleet::MachineChange change;
};
struct RemoveMachine {
    std::string name;
};
struct CreateVolume {
    VolumeEntry volume;
};
struct ChangeVolume {
    std::string name;
    images::VolumeChange change;
};
struct GrowVolume {
    std::string name;
    std::uint64_t size_bytes;
};
struct Step {
    std::string object; // as in PlannedChange
    std::variant<AddMachine, ChangeMachine, RemoveMachine, CreateVolume, ChangeVolume, GrowVolume> action;
};

struct Plan {
    std::vector<PlannedChange> changes;
    std::vector<std::string> notes;           // what is kept though the file says otherwise, and what is missing
    std::vector<Step> steps;
    std::vector<fleet::AppliedValue> applied; // what to remember once the steps are done
};

/// What there is.
struct Actual {
    const fleet::FleetView& fleet;
    std::vector<images::VolumeRow> volumes;
    std::vector<images::ImageInfo> images;    // also tells which machines have a disk
    std::map<std::string, Result<images::IsoFacts>> isos = {}; // by the path in the file
};

[[nodiscard]] Plan make_plan(const Config& config, const std::vector<fleet::AppliedValue>& applied, const Actual& actual);

/// The values of `file` that a running server does not take over: "[http] port 8080 -> 8081 takes a restart".
[[nodiscard]] std::vector<std::string> restart_notes(const Config& running, const Config& file);

} // namespace rootstock::app
