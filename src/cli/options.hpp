// What every command shares: the global options, and the way in which a command is chosen and run.
#pragma once

#include <functional>
#include <string>

namespace CLI {
class App;
}

namespace rootstock::cli {

inline constexpr const char* default_config = "/etc/rootstock/rootstock.toml";

struct Options {
    std::string config = default_config;
    bool config_given = false;
    bool json = false;
};

/// Exit codes: 0 only on success.
inline constexpr int exit_ok = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;

/// Set by the parsed subcommand, run by main().
using Action = std::function<int()>;

/// Each adds its subcommands to `app`. `options` and `chosen` outlive the parse.
void add_server_commands(CLI::App& app, Options& options, Action& chosen); // serve, check, plan, apply
void add_image_commands(CLI::App& app, Options& options, Action& chosen);
void add_machine_commands(CLI::App& app, Options& options, Action& chosen);
void add_volume_commands(CLI::App& app, Options& options, Action& chosen);
void add_snapshot_commands(CLI::App& app, Options& options, Action& chosen);
void add_store_commands(CLI::App& app, Options& options, Action& chosen);
void add_status_commands(CLI::App& app, Options& options, Action& chosen); // session, lease, events, status
void add_completion_command(CLI::App& app, Action& chosen);

} // namespace rootstock::cli
