// rootstock image update|release|rollback|prune
#include "cli/image_commands.hpp"
#include "cli/output.hpp"
#include "cli/release_options.hpp"
#include "cli/table.hpp"

#include <CLI/CLI.hpp>

namespace rootstock::cli {

namespace json = boost::json;

namespace {

std::string image_url(const std::string& name, const char* what) { return "/api/v1/images/" + url_segment(name) + "/" + what; }

/// A command about one image.
CLI::App* image_command(CLI::App& group, const char* command, const char* description, const char* example, std::string& name) {
    auto* added = group.add_subcommand(command, description);
    added->add_option("NAME", name, "the image")->required();
    added->footer(std::string("Example: rootstock image ") + example);
    return added;
}

struct Update {
    std::string name;
    std::string machine;
    bool discard = false;
    bool cancel = false;
};

void show_update(const json::value& update) {
    const std::string machine = text_of(update, "machine");
    print("Machine " + machine + " writes the next version of image " + text_of(update, "image") + ", on version " + text_of(update, "version") +
          ", from its next boot on\n");
    if (text_of(update, "disk_kept") == "true") {
        print("Its own disk is put aside, and comes back when this is published or given up\n");
    }
    if (text_of(update, "disk_discarded") == "true") {
        print("Its own disk was thrown away\n");
    }
    print("Switch it on, change what is to be changed, shut it down, then: rootstock image publish " + text_of(update, "image") + "\n");
}

int run_update(const Options& options, const Update& update) {
    const std::string url = image_url(update.name, "update");
    if (update.cancel) {
        return run_request(
            options, [&](Client& client) { return client.remove(url); },
            [&](const json::value&) { print("the update of image " + update.name + " is given up; the machine has its own disk and mode again\n"); });
    }
    const json::object body{{"machine", update.machine}, {"discard", update.discard}};
    return run_request(
        options, [&](Client& client) { return client.post(url, body); }, show_update);
}

void add_update(CLI::App& group, Options& options, Action& chosen) {
    auto update = std::make_shared<Update>();
    auto* command = image_command(group, "update", "let one machine write the next version of an image", "update win11 --on lab1-07", update->name);
    auto* on = command->add_option("--on", update->machine, "the machine, switched off");
    command->add_flag("--discard", update->discard, "throw the machine's own disk away instead of putting it aside")->needs(on);
    auto* cancel = command->add_flag("--cancel", update->cancel, "throw away what it wrote, and give it its own disk back")->excludes(on);
    command->callback([&options, &chosen, update, on, cancel] {
        if (on->count() + cancel->count() == 0) {
            throw CLI::RequiredError("--on MACHINE or --cancel");
        }
        chosen = [&options, update] { return run_update(options, *update); };
    });
}

void add_release(CLI::App& group, Options& options, Action& chosen) {
    auto name = std::make_shared<std::string>();
    auto version = std::make_shared<unsigned>(0);
    auto* command = image_command(group, "release", "say which machines get which version, and from when on",
                                  "release win11 --version 3 --percent 10", *name);
    command->add_option("--version", *version, "the version; without it the newest")->check(CLI::PositiveNumber);
    auto release = add_release_options(*command);
    command->callback([&options, &chosen, name, version, release] {
        chosen = [&options, name, version, release] {
            json::object body = release_body(*release);
            if (*version != 0) {
                body["version"] = *version;
            }
            return run_request(
                options, [&](Client& client) { return client.post(image_url(*name, "release"), body); },
                [&](const json::value& made) {
                    print("version " + text_of(made, "version") + " of image " + *name + " goes " + release_words(made) + "\n");
                });
        };
    });
}

void add_rollback(CLI::App& group, Options& options, Action& chosen) {
    auto name = std::make_shared<std::string>();
    auto version = std::make_shared<unsigned>(0);
    auto* command = image_command(group, "rollback", "make an older version the current one again, for all machines", "rollback win11 --to 2", *name);
    command->add_option("--to", *version, "the version")->required()->check(CLI::PositiveNumber);
    command->callback([&options, &chosen, name, version] {
        chosen = [&options, name, version] {
            const json::object body{{"to", *version}};
            return run_request(
                options, [&](Client& client) { return client.post(image_url(*name, "rollback"), body); },
                [&](const json::value&) {
                    print("new disks of image " + *name + " stand on version " + std::to_string(*version) + ", reset machines from their next boot on\n");
                });
        };
    });
}

void show_pruned(const json::value& pruned) {
    Table table({"VERSION", "STORED", ""});
    const bool dry_run = text_of(pruned, "dry_run") == "true";
    for (const json::value& version : list_of(pruned, "versions")) {
        const bool goes = text_of(version, "removed") == "true";
        table.add({text_of(version, "number"), size_of(version, "stored_bytes"),
                   goes ? (dry_run ? "would be removed" : "removed") : "stays: " + text_of(version, "kept_because")});
    }
    print(table.text() + (dry_run ? "Would free " : "Freed ") + size_of(pruned, "freed_bytes") + " now\n");
    if (text_of(pruned, "freed_by_merge_bytes") != "0") {
        print("Another " + size_of(pruned, "freed_by_merge_bytes") + ", about, when the rest is merged into the versions that stand on it: the server does it by" +
              " itself where little is written for that, or all of it now: rootstock snapshot flatten\n");
    }
}

void add_prune(CLI::App& group, Options& options, Action& chosen) {
    auto name = std::make_shared<std::string>();
    auto keep = std::make_shared<unsigned>(0);
    auto dry_run = std::make_shared<bool>(false);
    auto* command = image_command(group, "prune", "remove versions that nobody needs", "prune win11 --keep 2 --dry-run", *name);
    command->add_option("--keep", *keep, "how many of the newest stay in any case (3)")->check(CLI::PositiveNumber);
    command->add_flag("--dry-run", *dry_run, "only say what would be removed");
    command->callback([&options, &chosen, name, keep, dry_run] {
        chosen = [&options, name, keep, dry_run] {
            json::object body{{"dry_run", *dry_run}};
            if (*keep != 0) {
                body["keep"] = *keep;
            }
            return run_request(
                options, [&](Client& client) { return client.post(image_url(*name, "prune"), body); }, show_pruned);
        };
    });
}

} // namespace

void add_image_version_commands(CLI::App& group, Options& options, Action& chosen) {
    add_update(group, options, chosen);
    add_release(group, options, chosen);
    add_rollback(group, options, chosen);
    add_prune(group, options, chosen);
}

} // namespace rootstock::cli
