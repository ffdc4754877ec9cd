// rootstock volume create|list|resize|remove; set and move-to: volume_set.cpp
#include "cli/options.hpp"
#include "cli/output.hpp"
#include "cli/table.hpp"
#include "cli/volume_commands.hpp"

#include <CLI/CLI.hpp>

#include <filesystem>

namespace rootstock::cli {

namespace json = boost::json;

namespace {
struct NewVolume {
    std::string name, size, iso;
    std::vector<std::string> initiators{"*"}; // a volume that nobody may use would be of no use
    ChapOptions chap, mutual_chap;
    bool read_only = false;
    bool in_memory = false;
    std::uint32_t block_size = 512;
};

void add_chap_options(CLI::App& command, const std::string& prefix, ChapOptions& given, const std::string& who) {
    auto* user = command.add_option("--" + prefix + "chap-user", given.user, who);
    auto* secret = command.add_option("--" + prefix + "chap-secret-file", given.secret_file,
                                      "file with its secret of at least 12 bytes, or - for standard input");
    user->needs(secret);
    secret->needs(user);
}

Result<json::object> body_of(const NewVolume& given) {
    json::object body{{"name", given.name}, {"initiators", array_of(given.initiators)}};
    if (!given.iso.empty()) {
        body["iso"] = absolute_path(given.iso);
    } else {
        body["size"] = given.size;
        body["read_only"] = given.read_only;
        body["volatile"] = given.in_memory;
        body["block_size"] = given.block_size;
    }
    auto done = add_chap(body, "chap", given.chap);
    if (done) {
        done = add_chap(body, "mutual_chap", given.mutual_chap);
    }
    return done ? Result<json::object>(std::move(body)) : done.error();
}

void add_create(CLI::App& group, Options& options, Action& chosen) {
    auto* command = group.add_subcommand("create", "make a disk that is no boot disk, or a CD-ROM of an ISO image");
    command->footer("Examples: rootstock volume create data --size 10G --initiator lab1-07\n"
                    "          rootstock volume create debian --iso /srv/iso/debian-12.iso");
    auto given = std::make_shared<NewVolume>();
    command->add_option("NAME", given->name, "the volume; its target is IQN_PREFIX:volume.NAME")->required();
    auto* size = command->add_option("--size", given->size, "such as 512M, 10G, 1T");
    auto* iso = command->add_option("--iso", given->iso, "a CD-ROM: an ISO image on the server; it stays where it lies")->excludes(size);
    command->add_option("--initiator", given->initiators, std::string(initiator_help) + "; without it anyone may");
    add_chap_options(*command, "", given->chap, "CHAP: who an initiator must prove to be");
    add_chap_options(*command, "mutual-", given->mutual_chap, "mutual CHAP: who the volume proves to be");
    command->add_flag("--read-only", given->read_only, "nobody may write to it")->excludes(iso);
    command->add_flag("--volatile", given->in_memory, "in memory: empty at each start of the server")->excludes(iso);
    command->add_option("--block-size", given->block_size, "bytes of a logical block: 512 or 4096")->check(CLI::IsMember({512, 4096}))->excludes(iso);
    command->callback([&options, &chosen, given] {
        if (given->size.empty() && given->iso.empty()) {
            throw CLI::RequiredError("--size or --iso");
        }
        chosen = [&options, given] {
            const auto body = body_of(*given);
            if (!body) {
                return fail(body.error());
            }
            return run_request(
                options, [&body](Client& client) { return client.post(volumes_url, *body); },
                [](const json::value& volume) {
                    print("volume " + text_of(volume, "name") + " made: " + size_of(volume, "size_bytes") + ", " + text_of(volume, "target") + "\n");
                });
        };
    });
}

void add_resize(CLI::App& group, Options& options, Action& chosen) {
    auto* command = group.add_subcommand("resize", "make a volume larger, also while it is in use; it never shrinks");
    command->footer("Example: rootstock volume resize data --size 20G");
    auto given = std::make_shared<NewVolume>();
    command->add_option("NAME", given->name, "the volume")->required();
    command->add_option("--size", given->size, "its new size, such as 20G")->required();
    command->callback([&options, &chosen, given] {
        chosen = [&options, given] {
            return run_request(
                options,
                [&given](Client& client) {
                    return client.patch(volume_url(given->name), json::object{{"size", given->size}});
                },
                [](const json::value& volume) { print("volume " + text_of(volume, "name") + " has " + size_of(volume, "size_bytes") + " now\n"); });
        };
    });
}
/// Its target, and the server where it is for a while.
std::string place_of(const json::value& volume) {
    const std::string moved_to = text_of(volume, "moved_to");
    return text_of(volume, "target") + (moved_to == "-" ? "" : " at " + moved_to);
}
} // namespace

std::string volume_url(const std::string& name) { return std::string(volumes_url) + "/" + url_segment(name); }

std::string absolute_path(const std::string& path) { return std::filesystem::absolute(path).lexically_normal().string(); }

std::string kind_of(const json::value& volume) {
    const std::string kind = text_of(volume, "kind");
    return kind == "disk" && text_of(volume, "read_only") == "true" ? "disk, read-only" : kind;
}

void add_volume_commands(CLI::App& app, Options& options, Action& chosen) {
    auto* group = app.add_subcommand("volume", "volumes: create, list, set, resize, move-to, remove");
    group->require_subcommand(1);
    group->footer("Example: rootstock volume list");
    add_create(*group, options, chosen);
    add_volume_set(*group, options, chosen);
    add_volume_move(*group, options, chosen);
    add_resize(*group, options, chosen);

    auto* list = group->add_subcommand("list", "all volumes");
    list->footer("Example: rootstock volume list --json");
    list->callback([&options, &chosen] {
        chosen = [&options] {
            return run_request(
                options, [](Client& client) { return client.get(volumes_url); },
                [](const json::value& answer) {
                    Table table({"NAME", "KIND", "SIZE", "INITIATORS", "SESSIONS", "TARGET"});
                    for (const json::value& volume : list_of(answer, "volumes")) {
                        table.add({text_of(volume, "name"), kind_of(volume), size_of(volume, "size_bytes"), words_of(volume, "initiators"),
                                   text_of(volume, "sessions"), place_of(volume)});
                    }
                    print(table.empty() ? "No volumes. Make one: rootstock volume create NAME --size 10G\n" : table.text());
                });
        };
    });

    auto name = std::make_shared<std::string>();
    auto* remove = group->add_subcommand("remove", "delete a volume and what is on it; an ISO image stays");
    remove->add_option("NAME", *name, "the volume")->required();
    remove->footer("Example: rootstock volume remove data");
    remove->callback([&options, &chosen, name] {
        chosen = [&options, name] {
            return run_request(
                options, [&name](Client& client) { return client.remove(volume_url(*name)); },
                [&name](const json::value&) { print("volume " + *name + " removed\n"); });
        };
    });
}

} // namespace rootstock::cli
