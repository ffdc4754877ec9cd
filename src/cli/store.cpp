// rootstock store check
#include "cli/job.hpp"
#include "cli/output.hpp"

#include <CLI/CLI.hpp>

namespace rootstock::cli {

namespace json = boost::json;

namespace {

struct Check {
    bool deep = false;
    bool repair = false;
};

void show_report(const json::value& report) {
    std::size_t open = 0;
    for (const json::value& finding : list_of(report, "findings")) {
        const bool mended = text_of(finding, "mended") == "true";
        open += mended ? 0 : 1;
        print(std::string(mended ? "mended " : "") + text_of(finding, "kind") + ": " + text_of(finding, "where") + ": " + text_of(finding, "what") + ": " +
              text_of(finding, "remedy") + "\n");
    }
    print(text_of(report, "layers") + " masters, " + text_of(report, "overlays") + " overlays, " + text_of(report, "volumes") + " volumes, of which " +
          text_of(report, "in_use") + " in use, the longest chain " + text_of(report, "longest_chain") + " files: " + (open == 0 ? "all is well" : std::to_string(open) + " to mend") + "\n");
}

int check_store(const Options& options, const Check& check) {
    Result<Client> client = Client::open(options);
    if (!client) {
        return fail(client.error());
    }
    const Interrupt interrupt;
    const auto outcome =
        follow_job(*client, "/api/v1/store/check", json::object{{"deep", check.deep}, {"repair", check.repair}}, interrupt, "report", "the check of the store");
    if (!outcome) {
        return fail(outcome.error());
    }
    const json::value& report = *outcome;
    if (options.json) {
        print(json::serialize(report) + "\n");
    } else {
        show_report(report);
    }
    return text_of(report, "ok") == "true" ? exit_ok : exit_failed;
}

} // namespace

void add_store_commands(CLI::App& app, Options& options, Action& chosen) {
    auto* group = app.add_subcommand("store", "the data directory: check");
    group->require_subcommand(1);
    group->footer("Example: rootstock store check");
    auto check = std::make_shared<Check>();
    auto* command = group->add_subcommand("check", "look for lost, damaged and left-over files; exit code 0 only if all is well");
    command->add_flag("--deep", check->deep, "read all masters and compare them with their digests");
    command->add_flag("--repair", check->repair, "mend what is safe; no data is deleted: what nobody knows is moved to lost+found");
    command->footer("Example: rootstock store check --deep");
    command->callback([&options, &chosen, check] { chosen = [&options, check] { return check_store(options, *check); }; });
}

} // namespace rootstock::cli
