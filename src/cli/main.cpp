// rootstock: the one program. Parses the command line, runs the chosen command, gives its exit code.
#include "cli/options.hpp"
#include "core/crc32c.hpp"
#include "core/version.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>

using namespace rootstock;

int main(int argc, char** argv) {
    cli::Options options;
    cli::Action chosen;

    CLI::App app{"Rootstock: PCs without a disk, each with a disk of its own, from one master image."};
    app.name("rootstock");
    app.set_version_flag("--version", "rootstock " + std::string(version()));
    app.require_subcommand(1);
    app.fallthrough();
    app.option_defaults()->always_capture_default();
    auto* config = app.add_option("-c,--config", options.config, "configuration file; also tells where the data directory is");
    app.add_flag("--json", options.json, "print JSON for programs");
    app.footer("Example: rootstock serve --config rootstock.toml");

    cli::add_server_commands(app, options, chosen);
    cli::add_image_commands(app, options, chosen);
    cli::add_machine_commands(app, options, chosen);
    cli::add_volume_commands(app, options, chosen);
    cli::add_snapshot_commands(app, options, chosen);
    cli::add_store_commands(app, options, chosen);
    cli::add_status_commands(app, options, chosen);
    cli::add_completion_command(app, chosen);

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const int code = app.exit(error);
        return code == 0 ? cli::exit_ok : cli::exit_usage;
    }
    options.config_given = config->count() > 0;

    if (Result<void> loaded = load_crc32c(); !loaded) {
        std::fprintf(stderr, "rootstock: %s\n", loaded.error().what.c_str());
        return cli::exit_failed;
    }
    return chosen();
}
