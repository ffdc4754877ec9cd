// Backbone: what both the server and a command without a server need: data directory, database, store, fleet, boot logic and the API over them.
// No network, no thread of its own but the database's and the registry's writers.
// From the main thread; what it hands out is as thread-safe as it says itself.
#pragma once

#include "api/event_log.hpp"
#include "api/parts.hpp"
#include "app/config.hpp"
#include "app/network.hpp"
#include "boot/clients.hpp"
#include "boot/disks.hpp"
#include "boot/files.hpp"
#include "boot/lease_book.hpp"
#include "boot/scripts.hpp"
#include "boot/versions.hpp"
#include "core/random.hpp"
#include "db/database.hpp"
#include "http/router.hpp"
#include "images/store.hpp"

namespace rootstock::app {

class Backbone {
  public:
    /// Opens the data directory (made when missing), migrates the database, rolls back what a crash left half done, loads the fleet.
    [[nodiscard]] static Result<std::unique_ptr<Backbone>> open(Config config, const Placement& placement, Log& log, const Clock& clock);
    Backbone(const Backbone&) = delete;
    Backbone& operator=(const Backbone&) = delete;
    ~Backbone();

    [[nodiscard]] const Config& config() const { return config_; }
    [[nodiscard]] const boot::Settings& settings() const { return settings_; }
    [[nodiscard]] Log& log() { return log_; }
    [[nodiscard]] const Clock& clock() const { return clock_; }
    [[nodiscard]] Random& random() { return random_; }
    [[nodiscard]] dhcp::LeaseStore& leases() { return *leases_; }
    [[nodiscard]] images::Store& store() { return *store_; }
    [[nodiscard]] fleet::Registry& registry() { return *registry_; }
    [[nodiscard]] boot::Clients& clients() { return clients_; }
    [[nodiscard]] boot::Files& loaders() { return *loaders_; }
    [[nodiscard]] boot::Disks& disks() { return *disks_; }

    /// Made once, for the one HTTP service.
    [[nodiscard]] http::Router make_router();

    /// What the configuration file would change, and with `apply` does; reads the file again when `reload`. Refused when the file has errors
    /// or names an image that is not there; nothing is changed then.
    [[nodiscard]] Result<api::Plan, api::PlanFailure> plan(bool reload, bool apply);

    /// The names of all targets, sorted. Any thread.
    [[nodiscard]] std::vector<std::string> target_names() const;

    /// Chores of every second: idle disks, evicted chunks of masters.
    void do_chores();
    /// Closes all disks cleanly; after the last session.
    void close_disks();

  private:
    Backbone(Config config, const Placement& placement, Log& log, const Clock& clock);
    [[nodiscard]] Result<void> open_data();
    [[nodiscard]] Result<void> check_images(const Config& wanted);
    [[nodiscard]] Result<api::Plan, api::PlanFailure> plan_for_file(const Config& wanted, bool apply);
    void set_quotas(const Config& config);
    void set_warm(const Config& config);
    void set_limits();

    Config config_;
    const Clock& clock_;
    const boot::Settings settings_;
    const WallTime started_;
    api::EventLog log_;
    SystemRandom random_;
    std::unique_ptr<images::FileSystem> files_;
    std::unique_ptr<db::Database> database_;
    std::unique_ptr<boot::LeaseBook> leases_;
    std::unique_ptr<images::Store> store_;
    std::unique_ptr<fleet::Registry> registry_;
    boot::Clients clients_;
    std::unique_ptr<boot::Files> loaders_;
    std::unique_ptr<boot::Scripts> scripts_;
    std::unique_ptr<boot::Disks> disks_;
    std::unique_ptr<boot::Versions> versions_;
    std::mutex plan_mutex_; // one comparison with the file at a time
    std::mutex limits_mutex_; // guards quotas_, and keeps the newest limits the last ones that are set
    images::SpaceLimits quotas_; // of the file; without machines
    std::shared_ptr<void> listening_; // last: no change arrives before or after the rest lives
};

} // namespace rootstock::app
