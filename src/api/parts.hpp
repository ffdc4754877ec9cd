// What the API works on. app/server fills it in; everything outlives the router.
#pragma once

#include "api/event_log.hpp"
#include "api/plan.hpp"
#include "boot/disks.hpp"
#include "boot/files.hpp"
#include "boot/scripts.hpp"
#include "boot/settings.hpp"
#include "boot/versions.hpp"
#include "dhcp/lease_store.hpp"
#include "fleet/registry.hpp"
#include "images/store.hpp"

#include <functional>

namespace rootstock::api {

struct ServerFacts {
    std::string name = "rootstock";
    std::string config_file;
    std::string data_directory;
    std::string dhcp_mode = "server";
    std::string host_name; // of this machine, without domain
    WallTime started;
};

struct Parts {
    fleet::Registry& registry;
    images::Store& store;
    images::FileSystem& files;
    boot::Disks& disks;
    boot::Versions& versions;
    boot::Scripts& scripts;
    boot::Files& loaders;
    EventLog& log;
    const Clock& clock;
    boot::Settings settings;
    ServerFacts facts;
    /// By address; may block.
    std::function<Result<std::vector<dhcp::Lease>>()> leases;
    /// Reads the configuration file again; `apply`: and does it. May block.
    std::function<Result<Plan, PlanFailure>(bool apply)> plan;
    /// What is wrong with the database, each a sentence. May block.
    std::function<Result<std::vector<std::string>>()> check_database;
};

} // namespace rootstock::api
