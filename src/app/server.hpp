// Server: the only place where objects are wired. Owns everything, in the order in which it may be taken down.
//
// open() prepares what can fail without a trace outside (data directory, database, images), start() opens ports and serves, stop() ends it in
// order: DHCP and TFTP first, sessions with a word of good-bye, disks closed cleanly, database last.
// From the main thread; start() and stop() at most once each.
#pragma once

#include "app/config.hpp"
#include "core/log.hpp"

#include <memory>

namespace rootstock::app {

/// The API's socket below the data directory, for the command line.
inline constexpr const char* socket_name = "rootstock.sock";

class Server {
  public:
    /// For `rootstock serve`. Checks capabilities, interface, libraries and data directory.
    [[nodiscard]] static Result<std::unique_ptr<Server>> open(Config config, Log& log, const Clock& clock);

    /// For commands while no server runs: the API alone, on a socket of this process, already started.
    [[nodiscard]] static Result<std::unique_ptr<Server>> open_offline(Config config);

    ~Server(); // stops

    /// Takes every port, applies the configuration file, then serves: nobody is answered from a state that the file is about to change.
    [[nodiscard]] Result<void> start();
    /// Reads the file again and applies it (SIGHUP). Errors change nothing.
    void reload();
    void stop();

    [[nodiscard]] const std::string& socket_path() const;
    /// Where the web page is: "http://10.20.0.1:8080/".
    [[nodiscard]] std::string url() const;

  private:
    struct Parts;
    explicit Server(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

} // namespace rootstock::app
