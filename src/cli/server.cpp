// rootstock serve|check|plan|apply
#include "app/server.hpp"

#include "app/signals.hpp"
#include "cli/options.hpp"
#include "cli/output.hpp"
#include "core/text.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>

#include <sys/resource.h>

namespace rootstock::cli {

namespace json = boost::json;

namespace {

Result<app::Config, int> config_or_complain(const Options& options) {
    auto config = app::load_config(options.config);
    if (config) {
        return std::move(*config);
    }
    for (const std::string& problem : config.error()) {
        std::fprintf(stderr, "rootstock: %s\n", problem.c_str());
    }
    return exit_failed;
}

/// Sessions, disks and pages take a descriptor each, and the usual soft limit of 1024 is a small room's. Without success the limit stays.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
    }
}

int serve(const Options& options, bool verbose) {
    auto config = config_or_complain(options);
    if (!config) {
        return config.error();
    }
    app::Signals signals; // before any thread
    raise_descriptor_limit();
    const SystemClock clock;
    StderrLog log(clock);
    log.set_threshold(verbose ? Level::debug : Level::info);
    auto server = app::Server::open(std::move(*config), log, clock);
    if (!server) {
        return fail(server.error());
    }
    if (const auto started = (*server)->start(); !started) {
        return fail(started.error());
    }
    while (signals.wait() == app::Signals::Event::reload) {
        (*server)->reload();
    }
    (*server)->stop();
    return exit_ok;
}

int check(const Options& options) {
    auto config = config_or_complain(options);
    if (!config) {
        return config.error();
    }
    if (options.json) {
        print(json::serialize(json::object{{"file", options.config}, {"ok", true}}) + "\n");
    } else {
        print(options.config + " is fine: " + std::to_string(config->images.size()) + " image(s), " + std::to_string(config->machines.size()) +
              " machine(s), " + std::to_string(config->volumes.size()) + " volume(s)\n");
    }
    return exit_ok;
}

void show_plan(const json::value& plan) {
    const bool applied = text_of(plan, "applied") == "true";
    const json::array& changes = list_of(plan, "changes");
    for (const json::value& change : changes) {
        const std::string action = text_of(change, "action");
        print(std::string(action == "add" ? "+ " : action == "remove" ? "- " : "~ ") + text_of(change, "text") + "\n");
    }
    for (const json::value& note : list_of(plan, "notes")) {
        print("  note: " + (note.is_string() ? std::string(note.as_string()) : json::serialize(note)) + "\n");
    }
    if (changes.empty()) {
        print("nothing to change\n");
    } else {
        print(std::to_string(changes.size()) + (applied ? " change(s) applied\n" : " change(s); do them with `rootstock apply`\n"));
    }
}

CLI::App* add_simple(CLI::App& app, const char* name, const char* description, Action& chosen, Action action) {
    auto* command = app.add_subcommand(name, description);
    command->footer(std::string("Example: rootstock ") + name + " --config rootstock.toml");
    command->callback([&chosen, action = std::move(action)] { chosen = action; });
    return command;
}

Action plan_action(const Options& options, const char* url) {
    return [&options, url] {
        return run_request(
            options, [url](Client& client) { return client.post(url, json::object{}); }, show_plan);
    };
}

} // namespace

void add_server_commands(CLI::App& app, Options& options, Action& chosen) {
    auto verbose = std::make_shared<bool>(false);
    add_simple(app, "serve", "run the server: DHCP, TFTP, HTTP, iSCSI and the web page", chosen,
               [&options, verbose] { return serve(options, *verbose); })
        ->add_flag("-v,--verbose", *verbose, "log debug events as well");
    add_simple(app, "check", "check the configuration file and change nothing", chosen, [&options] { return check(options); });
    add_simple(app, "plan", "show what the configuration file would change", chosen, plan_action(options, "/api/v1/plan"));
    add_simple(app, "apply", "make the fleet as the configuration file says", chosen, plan_action(options, "/api/v1/apply"));
}

} // namespace rootstock::cli
