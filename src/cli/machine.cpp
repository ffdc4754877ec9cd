// rootstock machine list|show|assign|set|replace|reset|rebase|export|remove
#include "cli/convert_file.hpp"
#include "cli/options.hpp"
#include "cli/output.hpp"
#include "cli/table.hpp"
#include "core/text.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/parse.hpp>

namespace rootstock::cli {

namespace json = boost::json;

namespace {

constexpr const char* machines_url = "/api/v1/machines";

std::string machine_url(const std::string& name) { return std::string(machines_url) + "/" + url_segment(name); }

void show_unknown(const json::array& unknown) {
    if (unknown.empty()) {
        return;
    }
    Table table({"UNKNOWN PC", "ADDRESS", "ARCHITECTURE", "PRODUCT", "LAST SEEN", "WAITING"});
    for (const json::value& pc : unknown) {
        table.add({text_of(pc, "mac"), text_of(pc, "address"), text_of(pc, "architecture"), text_of(pc, "product"), time_of(pc, "last_seen"),
                   text_of(pc, "waiting") == "true" ? "yes" : "no"});
    }
    print("\n" + table.text() + "\nAssign one: rootstock machine assign MAC --name NAME --image IMAGE\n");
}

int list_machines(const Options& options) {
    json::array unknown;
    const auto request = [&unknown](Client& client) -> Result<Reply> {
        Result<Reply> waiting = client.get("/api/v1/unknown");
        if (!waiting) {
            return waiting.error();
        }
        unknown = list_of(waiting->value, "unknown");
        Result<Reply> reply = client.get(machines_url);
        if (reply && reply->value.is_object()) { // one document for programs as well
            reply->value.as_object()["unknown"] = unknown;
            reply->text = json::serialize(reply->value);
        }
        return reply;
    };
    return run_request(options, request, [&unknown](const json::value& answer) {
        Table table({"NAME", "MAC", "IMAGE", "MODE", "ADDRESS", "STATE", "SESSIONS", "DISK"});
        for (const json::value& machine : list_of(answer, "machines")) {
            table.add({text_of(machine, "name"), words_of(machine, "macs"), text_of(machine, "image"), text_of(machine, "mode"),
                       text_of(machine, "address"), text_of(machine, "state"), text_of(machine, "sessions"), use_of(machine, "disk")});
        }
        print(table.empty() ? "No machines yet. Switch a PC on: it shows up here and waits to be assigned.\n" : table.text());
        show_unknown(unknown);
    });
}

void show_machine(const json::value& machine) {
    Table table({"machine", text_of(machine, "name")});
    table.add({"MAC", words_of(machine, "macs")});
    table.add({"image", text_of(machine, "image")});
    table.add({"mode", text_of(machine, "mode")});
    table.add({"address", text_of(machine, "address")});
    table.add({"group", text_of(machine, "group")});
    table.add({"disk", use_of(machine, "disk")});
    table.add({"state", text_of(machine, "state")});
    table.add({"generation", text_of(machine, "generation")});
    table.add({"target", text_of(machine, "target")});
    table.add({"initiator", text_of(machine, "initiator")});
    for (const json::value& retired : list_of(machine, "retired")) {
        table.add({"replaced", text_of(retired, "mac") + " by " + text_of(retired, "replaced_by") + " at " + time_of(retired, "when")});
    }
    print(table.text());
    const json::value* boot = machine.as_object().if_contains("boot");
    if (boot == nullptr || boot->is_null()) {
        return;
    }
    const std::string version = text_of(*boot, "version") == "-" ? "" : ", version " + text_of(*boot, "version") + " of " + text_of(*boot, "image");
    print("\nLast boot, " + time_of(*boot, "started") + version + ": " + text_of(*boot, "outcome") +
          (text_of(*boot, "reason") == "-" ? "" : " (" + text_of(*boot, "reason") + ")") + "\n");
    Table stages({"  STAGE", "AFTER", "DETAIL"});
    for (const json::value& stage : list_of(*boot, "stages")) {
        stages.add({"  " + text_of(stage, "stage"), text_of(stage, "after_ms") + " ms", text_of(stage, "detail")});
    }
    print(stages.text());
}

void print_changed(const char* verb, const json::value& machine) {
    print("machine " + text_of(machine, "name") + " " + verb + ": " + words_of(machine, "macs") + ", image " + text_of(machine, "image") + ", " +
          text_of(machine, "mode") + "\n");
}

struct Assignment {
    std::vector<std::string> macs;
    std::string name, image, mode = "persistent", address;
};

struct Settings {
    std::string machine, quota, group;
};

/// What the command line says, as the API has it: "default" and "none" are null there.
json::object body_of(const Settings& given) {
    json::object body;
    if (!given.quota.empty()) {
        body["quota"] = given.quota == "default" ? json::value(nullptr) : json::value(given.quota);
    }
    if (!given.group.empty()) {
        body["group"] = given.group == "none" ? json::value(nullptr) : json::value(given.group);
    }
    return body;
}

void add_set(CLI::App& group, Options& options, Action& chosen) {
    auto* command = group.add_subcommand("set", "change what a machine's disk may take");
    command->footer("Example: rootstock machine set lab1-07 --quota 20G --group lab1");
    auto given = std::make_shared<Settings>();
    command->add_option("NAME", given->machine, "the machine")->required();
    auto* quota = command->add_option("--quota", given->quota, "such as 20G; none: no limit; default: what [quota] machine says");
    auto* shared = command->add_option("--group", given->group, "group whose quota it shares; none: no group");
    command->callback([&options, &chosen, given, quota, shared] {
        if (quota->empty() && shared->empty()) {
            throw CLI::RequiredError("--quota or --group");
        }
        chosen = [&options, given] {
            return run_request(
                options, [&given](Client& client) { return client.patch(machine_url(given->machine), body_of(*given)); },
                [](const json::value& machine) {
                    print("machine " + text_of(machine, "name") + ": disk " + use_of(machine, "disk") + ", group " + text_of(machine, "group") + "\n");
                });
        };
    });
}

void add_assign(CLI::App& group, Options& options, Action& chosen) {
    auto* command = group.add_subcommand("assign", "make a machine of a PC; a waiting PC boots at once");
    command->footer("Example: rootstock machine assign 52:54:00:aa:00:07 --name lab1-07 --image win11");
    auto given = std::make_shared<Assignment>();
    command->add_option("MAC", given->macs, "hardware address(es) of the PC")->required()->expected(1, 8);
    command->add_option("--name", given->name, "name of the machine, also its host name")->required();
    command->add_option("--image", given->image, "image that it boots")->required();
    command->add_option("--mode", given->mode, "persistent (its disk is kept) or reset (thrown away at each boot)")
        ->check(CLI::IsMember({"persistent", "reset"}));
    command->add_option("--address", given->address, "IPv4 address to reserve for it");
    command->callback([&options, &chosen, given] {
        chosen = [&options, given] {
            json::object body{{"name", given->name}, {"macs", array_of(given->macs)}, {"image", given->image}, {"mode", given->mode}};
            if (!given->address.empty()) {
                body["address"] = given->address;
            }
            return run_request(
                options, [&body](Client& client) { return client.post(machines_url, body); },
                [](const json::value& machine) { print_changed("assigned", machine); });
        };
    });
}

/// A command with the machine's name as its only positional argument.
CLI::App* named_command(CLI::App& group, const char* name, const char* description, const std::shared_ptr<std::string>& machine) {
    auto* command = group.add_subcommand(name, description);
    command->add_option("NAME", *machine, "the machine")->required();
    command->footer(std::string("Example: rootstock machine ") + name + " lab1-07" +
                    (std::string_view(name) == "replace" ? " --with 52:54:00:bb:00:07" : ""));
    return command;
}

void add_replace(CLI::App& group, Options& options, Action& chosen) {
    auto machine = std::make_shared<std::string>();
    auto with = std::make_shared<std::string>();
    auto* command = named_command(group, "replace", "put another PC in a machine's place: it boots the old PC's disk", machine);
    command->add_option("--with", *with, "hardware address of the new PC")->required();
    command->callback([&options, &chosen, machine, with] {
        chosen = [&options, machine, with] {
            const json::object body{{"with", *with}};
            return run_request(
                options, [&](Client& client) { return client.post(machine_url(*machine) + "/replace", body); },
                [](const json::value& answer) { print_changed("replaced", answer); });
        };
    });
}

/// The server keeps the disk closed for us while the stream is open, and so while its file is read.
int export_disk(const Options& options, const std::string& name, const OutputFile& output) {
    Result<Client> client = Client::open(options);
    if (!client) {
        return fail(client.error());
    }
    int code = exit_failed;
    const auto read_disk = [&](std::string_view line) {
        boost::system::error_code failure;
        const json::value lent = json::parse({line.data(), line.size()}, failure);
        const json::value* disk = failure || !lent.is_object() ? nullptr : lent.as_object().if_contains("disk");
        code = disk == nullptr ? fail({{}, "the server's answer is not understood: is it of another version?"})
                               : convert_file(options, text_of(*disk, "file"), output);
        return false;
    };
    const Result<void> lent = client->stream(machine_url(name) + "/export", json::object{}, read_disk);
    return lent ? code : fail(lent.error());
}

void add_export(CLI::App& group, Options& options, Action& chosen) {
    auto machine = std::make_shared<std::string>();
    auto* command = group.add_subcommand("export", "write the disk of a machine that is switched off as a file that stands alone");
    command->add_option("NAME", *machine, "the machine")->required();
    auto output = add_output_file(*command, "FILE");
    add_chain(*command, *output);
    command->footer("Example: rootstock machine export lab1-07 lab1-07.vhdx");
    command->callback([&options, &chosen, machine, output] {
        chosen = [&options, machine, output] { return export_disk(options, *machine, *output); };
    });
}

void add_rebase(CLI::App& group, Options& options, Action& chosen) {
    auto machine = std::make_shared<std::string>();
    auto version = std::make_shared<unsigned>(0);
    auto* command = named_command(group, "rebase", "put a persistent disk that holds nothing of its own on another version", machine);
    command->add_option("--to", *version, "the version; without it the one that a new disk would get")->check(CLI::PositiveNumber);
    command->callback([&options, &chosen, machine, version] {
        chosen = [&options, machine, version] {
            json::object body;
            if (*version != 0) {
                body["to"] = *version;
            }
            return run_request(
                options, [&](Client& client) { return client.post(machine_url(*machine) + "/rebase", body); },
                [&](const json::value& answer) { print("the disk of machine " + *machine + " stands on version " + text_of(answer, "version") + "\n"); });
        };
    });
}

} // namespace

void add_machine_commands(CLI::App& app, Options& options, Action& chosen) {
    auto* group = app.add_subcommand("machine", "machines: list, show, assign, set, replace, reset, rebase, export, remove");
    group->require_subcommand(1);
    group->footer("Example: rootstock machine list");

    auto* list = group->add_subcommand("list", "all machines, and the unknown PCs that wait");
    list->footer("Example: rootstock machine list --json");
    list->callback([&options, &chosen] { chosen = [&options] { return list_machines(options); }; });

    auto name = std::make_shared<std::string>();
    named_command(*group, "show", "one machine with the stages of its last boot", name)->callback([&options, &chosen, name] {
        chosen = [&options, name] {
            return run_request(
                options, [&name](Client& client) { return client.get(machine_url(*name)); }, show_machine);
        };
    });

    add_assign(*group, options, chosen);
    add_set(*group, options, chosen);
    add_replace(*group, options, chosen);

    named_command(*group, "reset", "throw the machine's disk away: its next boot starts from the image", name)->callback([&options, &chosen, name] {
        chosen = [&options, name] {
            return run_request(
                options, [&name](Client& client) { return client.post(machine_url(*name) + "/reset", json::object{}); },
                [](const json::value& machine) { print("machine " + text_of(machine, "name") + " starts from its image at the next boot\n"); });
        };
    });

    add_export(*group, options, chosen);
    add_rebase(*group, options, chosen);

    auto keep_disk = std::make_shared<bool>(false);
    auto* remove = named_command(*group, "remove", "forget a machine and delete its disk", name);
    remove->add_flag("--keep-disk", *keep_disk, "keep the disk for a later machine of that name");
    remove->callback([&options, &chosen, name, keep_disk] {
        chosen = [&options, name, keep_disk] {
            return run_request(
                options, [&](Client& client) { return client.remove(machine_url(*name) + (*keep_disk ? "?keep_disk=true" : "")); },
                [&name](const json::value&) { print("machine " + *name + " removed\n"); });
        };
    });
}

} // namespace rootstock::cli
