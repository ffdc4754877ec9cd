// rootstock session list, lease list, events [--follow], status
#include "cli/options.hpp"
#include "cli/output.hpp"
#include "cli/table.hpp"
#include "core/log.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/parse.hpp>

#include <cstdio>

namespace rootstock::cli {

namespace json = boost::json;

namespace {

void show_sessions(const json::value& answer) {
    Table table({"ID", "TARGET", "INITIATOR", "ADDRESS", "ISID", "SINCE"});
    for (const json::value& session : list_of(answer, "sessions")) {
        table.add({text_of(session, "id"), text_of(session, "target"), text_of(session, "initiator"), text_of(session, "address"), text_of(session, "isid"),
                   time_of(session, "since")});
    }
    print(table.empty() ? "No sessions.\n" : table.text());
}

void show_leases(const json::value& answer) {
    Table table({"ADDRESS", "MAC", "HOST NAME", "MACHINE", "EXPIRES"});
    for (const json::value& lease : list_of(answer, "leases")) {
        table.add({text_of(lease, "address"), text_of(lease, "mac"), text_of(lease, "host_name"), text_of(lease, "machine"), time_of(lease, "expires")});
    }
    print(table.empty() ? "No leases.\n" : table.text());
}

void show_status(const json::value& status) {
    Table table({"server", text_of(status, "name") + ", version " + text_of(status, "version")});
    table.add({"web page", text_of(status, "url")});
    table.add({"DHCP", text_of(status, "dhcp")});
    table.add({"started", time_of(status, "started")});
    if (const json::value* data = status.as_object().if_contains("data"); data != nullptr && data->is_object()) {
        table.add({"data", text_of(*data, "path") + ", " + size_of(*data, "free_bytes") + " free"});
    }
    if (const json::value* space = status.as_object().if_contains("space"); space != nullptr && space->is_object()) {
        table.add({"file system", use_of(*space, "file_system")});
        table.add({"store", use_of(*space, "store")});
        for (const json::value& group : list_of(*space, "groups")) {
            table.add({"group " + text_of(group, "name"), use_text(group)});
        }
    }
    if (const json::value* counts = status.as_object().if_contains("counts"); counts != nullptr && counts->is_object()) {
        for (const auto& [key, value] : counts->as_object()) {
            table.add({std::string(key), json::serialize(value)});
        }
    }
    print(table.text());
}

/// `2026-01-31 07:45:01 info iscsi.login.accepted initiator=iqn... tsih=7`
std::string log_line(const json::value& entry) {
    std::string line = time_of(entry, "when") + " " + text_of(entry, "level") + " " + text_of(entry, "event");
    const json::value* fields = entry.is_object() ? entry.as_object().if_contains("fields") : nullptr;
    if (fields != nullptr && fields->is_object()) {
        for (const auto& [key, value] : fields->as_object()) {
            line += " " + format_fields({{std::string_view(key.data(), key.size()), value.is_string() ? std::string(value.as_string()) : json::serialize(value)}});
        }
    }
    return line + "\n";
}

void show_log(const json::value& answer) {
    for (const json::value& entry : list_of(answer, "log")) {
        print(log_line(entry));
    }
}

/// Server-sent events: "event: NAME" then "data: JSON". Prints those named "log".
int follow_events(const Options& options) {
    Result<Client> client = Client::open(options, true);
    if (!client) {
        return fail(client.error());
    }
    std::string event;
    const auto on_line = [&](std::string_view line) {
        if (line.starts_with("event: ")) {
            event = line.substr(7);
        } else if (line.starts_with("data: ") && (event == "log" || options.json)) {
            const std::string data(line.substr(6));
            boost::system::error_code failure;
            const json::value entry = json::parse(data, failure);
            if (!failure) {
                print(options.json ? "{\"event\":\"" + event + "\",\"data\":" + data + "}\n" : log_line(entry));
                std::fflush(stdout);
            }
        }
        return true;
    };
    if (!options.json) { // what was before; the stream's own snapshot tells it to programs
        if (Result<Reply> log = client->get("/api/v1/log"); log) {
            show_log(log->value);
        }
    }
    const auto streamed = client->stream("/api/v1/events", nullptr, on_line);
    return streamed ? fail({{}, "the server has stopped"}) : fail(streamed.error());
}

void add_list(CLI::App& app, Options& options, Action& chosen, const char* group_name, const char* description, const char* url, const Show& show) {
    auto* group = app.add_subcommand(group_name, description);
    group->require_subcommand(1);
    auto* list = group->add_subcommand("list", description);
    const std::string example = std::string("Example: rootstock ") + group_name + " list --json";
    group->footer(example);
    list->footer(example);
    const bool needs_server = std::string_view(group_name) == "session";
    list->callback([&options, &chosen, url, show, needs_server] {
        chosen = [&options, url, show, needs_server] {
            return run_request(
                options, [url](Client& client) { return client.get(url); }, show, needs_server);
        };
    });
}

} // namespace

void add_status_commands(CLI::App& app, Options& options, Action& chosen) {
    add_list(app, options, chosen, "session", "the iSCSI sessions of the running server", "/api/v1/sessions", show_sessions);
    add_list(app, options, chosen, "lease", "the leased addresses", "/api/v1/leases", show_leases);

    auto* status = app.add_subcommand("status", "the running server at a glance");
    status->footer("Example: rootstock status");
    status->callback([&options, &chosen] {
        chosen = [&options] {
            return run_request(
                options, [](Client& client) { return client.get("/api/v1/status"); }, show_status, true);
        };
    });

    auto follow = std::make_shared<bool>(false);
    auto* events = app.add_subcommand("events", "the latest events of the running server");
    events->add_flag("-f,--follow", *follow, "go on printing as they happen");
    events->footer("Example: rootstock events --follow");
    events->callback([&options, &chosen, follow] {
        chosen = [&options, follow] {
            if (*follow) {
                return follow_events(options);
            }
            return run_request(
                options, [](Client& client) { return client.get("/api/v1/log"); }, show_log, true);
        };
    });
}

} // namespace rootstock::cli
