// rootstock snapshot create|list|restore|remove|clone|export|flatten
#include "cli/convert_file.hpp"
#include "cli/job.hpp"
#include "cli/options.hpp"
#include "cli/output.hpp"
#include "cli/table.hpp"

#include <CLI/CLI.hpp>

namespace rootstock::cli {

namespace json = boost::json;

namespace {

constexpr const char* snapshots_url = "/api/v1/snapshots";

/// The disk and the snapshot that a command names.
struct Named {
    std::string disk;
    std::string name;
    bool volume = false;

    [[nodiscard]] const char* kind() const { return volume ? "volume" : "machine"; }
    [[nodiscard]] std::string words() const { return "snapshot " + name + " of " + kind() + " " + disk; }
    [[nodiscard]] std::string url(const char* what = "") const {
        return std::string(snapshots_url) + "/" + kind() + "/" + url_segment(disk) + "/" + url_segment(name) + what;
    }
};

CLI::App* snapshot_command(CLI::App& group, const char* command, const char* description, const char* example, const std::shared_ptr<Named>& named) {
    auto* added = group.add_subcommand(command, description);
    added->add_option("DISK", named->disk, "the machine, or with --volume the volume")->required();
    added->add_option("NAME", named->name, "the snapshot")->required();
    added->add_flag("--volume", named->volume, "DISK is a volume, not a machine");
    added->footer(std::string("Example: rootstock snapshot ") + example);
    return added;
}

void add_create(CLI::App& group, Options& options, Action& chosen) {
    auto named = std::make_shared<Named>();
    auto* command = snapshot_command(group, "create", "keep what a disk holds now, also while it is in use", "create lab1-07 before-update", named);
    command->callback([&options, &chosen, named] {
        chosen = [&options, named] {
            return run_request(
                options, [&](Client& client) { return client.post(snapshots_url, json::object{{named->kind(), named->disk}, {"name", named->name}}); },
                [&](const json::value&) { print(named->words() + " taken\n"); });
        };
    });
}

void add_list(CLI::App& group, Options& options, Action& chosen) {
    auto* command = group.add_subcommand("list", "all snapshots");
    command->footer("Example: rootstock snapshot list --json");
    command->callback([&options, &chosen] {
        chosen = [&options] {
            return run_request(
                options, [](Client& client) { return client.get(snapshots_url); },
                [](const json::value& answer) {
                    Table table({"DISK", "SNAPSHOT", "IMAGE", "STORED", "FILES", "CREATED"});
                    for (const json::value& row : list_of(answer, "snapshots")) {
                        const bool of_volume = row.as_object().at("machine").is_null();
                        const bool of_image = !row.as_object().at("image").is_null();
                        table.add({of_volume ? "volume " + text_of(row, "volume") : text_of(row, "machine"), text_of(row, "name"),
                                   of_image ? text_of(row, "image") + " version " + text_of(row, "version") : "-", size_of(row, "stored_bytes"),
                                   text_of(row, "files"), time_of(row, "created")});
                    }
                    print(table.empty() ? "No snapshots. Take one: rootstock snapshot create MACHINE NAME\n" : table.text());
                });
        };
    });
}

void add_restore(CLI::App& group, Options& options, Action& chosen) {
    auto named = std::make_shared<Named>();
    auto* command = snapshot_command(group, "restore", "go back to a snapshot; what the disk holds now is lost, unless it has a snapshot of its own",
                                     "restore lab1-07 before-update", named);
    command->callback([&options, &chosen, named] {
        chosen = [&options, named] {
            return run_request(
                options, [&](Client& client) { return client.post(named->url("/restore"), json::object{}); },
                [&](const json::value& answer) {
                    print(text_of(answer, "restored") == "now" ? named->words() + " is what the disk holds now\n"
                                                               : "machine " + named->disk + " goes back at its next boot\n");
                });
        };
    });
}

void add_remove(CLI::App& group, Options& options, Action& chosen) {
    auto named = std::make_shared<Named>();
    auto* command = snapshot_command(group, "remove", "forget a snapshot; disks that stand on it keep what they need", "remove lab1-07 before-update", named);
    command->callback([&options, &chosen, named] {
        chosen = [&options, named] {
            return run_request(
                options, [&](Client& client) { return client.remove(named->url()); }, [&](const json::value&) { print(named->words() + " removed\n"); });
        };
    });
}

struct Clone {
    std::string machine, volume;
    std::vector<std::string> initiators;
};

void add_clone(CLI::App& group, Options& options, Action& chosen) {
    auto named = std::make_shared<Named>();
    auto clone = std::make_shared<Clone>();
    auto* command = snapshot_command(group, "clone", "make a new disk of a snapshot at once: nothing is copied",
                                     "clone lab1-07 before-update --to-machine lab1-08", named);
    auto* machine = command->add_option("--to-machine", clone->machine, "the machine that gets it; it has no disk yet");
    auto* volume = command->add_option("--to-volume", clone->volume, "the name of a new volume")->excludes(machine);
    command->add_option("--initiator", clone->initiators, "who may log in to the volume (may be repeated); without it anyone may")->needs(volume);
    command->callback([&options, &chosen, named, clone, machine, volume] {
        if (machine->count() + volume->count() == 0) {
            throw CLI::RequiredError("--to-machine MACHINE or --to-volume VOLUME");
        }
        chosen = [&options, named, clone] {
            json::object body = clone->volume.empty() ? json::object{{"machine", clone->machine}} : json::object{{"volume", clone->volume}};
            if (!clone->initiators.empty()) {
                body["initiators"] = array_of(clone->initiators);
            }
            return run_request(
                options, [&](Client& client) { return client.post(named->url("/clone"), body); },
                [&](const json::value& answer) { print(text_of(answer, "disk") + " holds what " + named->words() + " holds\n"); });
        };
    });
}

/// The client is gone before the copy begins: without a server it holds the data directory's lock.
Result<std::string> snapshot_file(const Options& options, const Named& named) {
    Result<Client> client = Client::open(options);
    if (!client) {
        return client.error();
    }
    const Result<Reply> all = client->get(snapshots_url);
    if (!all) {
        return all.error();
    }
    for (const json::value& row : list_of(all->value, "snapshots")) {
        if (text_of(row, named.kind()) == named.disk && text_of(row, "name") == named.name) {
            return text_of(row, "file");
        }
    }
    return Error{{}, "there is no " + named.words() + "; list them: rootstock snapshot list"};
}

void add_export(CLI::App& group, Options& options, Action& chosen) {
    auto named = std::make_shared<Named>();
    auto* command = snapshot_command(group, "export", "write a snapshot as a file that stands alone, also while the machine runs",
                                     "export lab1-07 before-update lab1-07.vhdx", named);
    auto output = add_output_file(*command, "FILE");
    command->callback([&options, &chosen, named, output] {
        chosen = [&options, named, output] {
            const Result<std::string> file = snapshot_file(options, *named);
            return file ? convert_file(options, *file, *output) : fail(file.error());
        };
    });
}

int run_flatten(const Options& options, unsigned most_files) {
    const Interrupt interrupt;
    Result<Client> client = Client::open(options);
    if (!client) {
        return fail(client.error());
    }
    json::object body;
    if (most_files != 0) {
        body["most_files"] = most_files;
    }
    const auto written = follow_job(*client, std::string(snapshots_url) + "/flatten", body, interrupt, "flattened", "the flattening");
    if (!written) {
        return fail(written.error());
    }
    print(options.json ? json::serialize(json::object{{"flattened", *written}}) + "\n"
                       : std::to_string(written->to_number<std::uint64_t>()) + " files written anew\n");
    return exit_ok;
}

void add_flatten(CLI::App& group, Options& options, Action& chosen) {
    auto most_files = std::make_shared<unsigned>(0);
    auto* command = group.add_subcommand("flatten", "shorten the chains of files that disks are read from, while everybody goes on");
    command->add_option("--most-files", *most_files, "chains of more files are made shorter; without it 8")->check(CLI::Range(1, 64));
    command->footer("Example: rootstock snapshot flatten --most-files 4");
    command->callback([&options, &chosen, most_files] { chosen = [&options, most_files] { return run_flatten(options, *most_files); }; });
}

} // namespace

void add_snapshot_commands(CLI::App& app, Options& options, Action& chosen) {
    auto* group = app.add_subcommand("snapshot", "snapshots of machines' disks and volumes: create, list, restore, remove, clone, export, flatten");
    group->require_subcommand(1);
    group->footer("Example: rootstock snapshot create lab1-07 before-update");
    add_create(*group, options, chosen);
    add_list(*group, options, chosen);
    add_restore(*group, options, chosen);
    add_remove(*group, options, chosen);
    add_clone(*group, options, chosen);
    add_export(*group, options, chosen);
    add_flatten(*group, options, chosen);
}

} // namespace rootstock::cli
