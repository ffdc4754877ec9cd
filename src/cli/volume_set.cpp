// rootstock volume set|move-to: whatever of a volume may be changed.
#include "cli/output.hpp"
#include "cli/secret_file.hpp"
#include "cli/volume_commands.hpp"

#include <CLI/CLI.hpp>

namespace rootstock::cli {

namespace json = boost::json;

namespace {

struct ChapChange {
    ChapOptions wanted;
    bool none = false;
};

struct VolumeSettings {
    std::string name, size, iso;
    std::vector<std::string> initiators;
    bool nobody = false;
    ChapChange chap, mutual_chap;
    bool read_only = false, writable = false;

    [[nodiscard]] bool empty() const {
        const auto unchanged = [](const ChapChange& change) { return change.wanted.secret_file.empty() && !change.none; };
        return size.empty() && iso.empty() && initiators.empty() && !nobody && unchanged(chap) && unchanged(mutual_chap) && !read_only && !writable;
    }
};

void add_chap_change(CLI::App& command, const std::string& prefix, ChapChange& given, const std::string& who) {
    auto* secret = command.add_option("--" + prefix + "chap-secret-file", given.wanted.secret_file,
                                      "file with the secret of " + who + ", at least 12 bytes, or - for standard input");
    command.add_option("--" + prefix + "chap-user", given.wanted.user, "the user of that secret; without it the user stays")->needs(secret);
    command.add_flag("--no-" + prefix + "chap", given.none, "no " + std::string(prefix.empty() ? "CHAP" : "mutual CHAP") + " any more")->excludes(secret);
}

/// A secret without a user belongs to the one that `volume` has.
Result<void> add_chap_change_to(json::object& body, const std::string& key, ChapChange given, const json::value& volume) {
    if (given.none) {
        body[key] = nullptr;
        return {};
    }
    if (given.wanted.user.empty() && !given.wanted.secret_file.empty()) {
        given.wanted.user = text_of(volume, (key + "_user").c_str());
        if (given.wanted.user == "-") {
            return make_error(std::errc::invalid_argument, "volume " + text_of(volume, "name") + " has no user for this secret yet; give one with --" +
                                                               std::string(key == "chap" ? "" : "mutual-") + "chap-user");
        }
    }
    return add_chap(body, key.c_str(), given.wanted);
}

Result<json::object> change_of(const VolumeSettings& given, const json::value& volume) {
    json::object body;
    if (given.nobody || !given.initiators.empty()) {
        body["initiators"] = array_of(given.initiators);
    }
    if (given.read_only || given.writable) {
        body["read_only"] = given.read_only;
    }
    if (!given.size.empty()) {
        body["size"] = given.size;
    }
    if (!given.iso.empty()) {
        body["iso"] = absolute_path(given.iso);
    }
    auto done = add_chap_change_to(body, "chap", given.chap, volume);
    if (done) {
        done = add_chap_change_to(body, "mutual_chap", given.mutual_chap, volume);
    }
    return done ? Result<json::object>(std::move(body)) : done.error();
}

Result<Reply> change(Client& client, const VolumeSettings& given) {
    const auto before = client.get(volume_url(given.name));
    if (!before) {
        return before.error();
    }
    const auto body = change_of(given, before->value);
    return body ? client.patch(volume_url(given.name), *body) : body.error();
}

void show(const json::value& volume) {
    const std::string initiators = words_of(volume, "initiators");
    std::string text = "volume " + text_of(volume, "name") + ": " + kind_of(volume) + ", " + size_of(volume, "size_bytes") + ", for " +
                       (list_of(volume, "initiators").empty() ? "nobody" : initiators);
    for (const auto& [key, what] : {std::pair{"chap_user", "CHAP user"}, std::pair{"mutual_chap_user", "mutual CHAP user"}, std::pair{"iso", "ISO"},
                                    std::pair{"moved_to", "moved to"}}) {
        if (const std::string value = text_of(volume, key); value != "-") {
            text += ", " + std::string(what) + " " + value;
        }
    }
    print(text + "\n");
}

} // namespace

Result<void> add_chap(json::object& body, const char* key, const ChapOptions& given) {
    if (given.secret_file.empty()) {
        return {};
    }
    const auto secret = read_secret(given.secret_file);
    if (!secret) {
        return secret.error();
    }
    body[key] = {{"user", given.user}, {"secret", *secret}};
    return {};
}

void add_volume_set(CLI::App& group, Options& options, Action& chosen) {
    auto* command = group.add_subcommand("set", "change a volume; sessions that are no longer allowed end");
    command->footer("Example: rootstock volume set data --initiator lab1-07 --initiator 10.20.0.0/16");
    auto given = std::make_shared<VolumeSettings>();
    command->add_option("NAME", given->name, "the volume")->required();
    auto* initiators = command->add_option("--initiator", given->initiators, std::string(initiator_help) + "; in place of all before");
    command->add_flag("--nobody", given->nobody, "nobody may log in")->excludes(initiators);
    add_chap_change(*command, "", given->chap, "initiators");
    add_chap_change(*command, "mutual-", given->mutual_chap, "the volume");
    auto* read_only = command->add_flag("--read-only", given->read_only, "nobody may write to it; its sessions end once");
    command->add_flag("--writable", given->writable, "it may be written to; its sessions end once")->excludes(read_only);
    command->add_option("--size", given->size, "its new size, larger than before, such as 20G");
    command->add_option("--iso", given->iso, "of a CD-ROM: another ISO image, or the same one after it was changed; its sessions end once");
    command->callback([&options, &chosen, given] {
        if (given->empty()) {
            throw CLI::RequiredError("at least one option that says what to change");
        }
        chosen = [&options, given] { return run_request(options, [given](Client& client) { return change(client, *given); }, show); };
    });
}

void add_volume_move(CLI::App& group, Options& options, Action& chosen) {
    struct Move {
        std::string name, address;
        bool back = false;
    };
    auto* command = group.add_subcommand("move-to", "send initiators of a volume to another server for a while; its sessions here end");
    command->footer("Examples: rootstock volume move-to data 10.20.0.2:3260\n          rootstock volume move-to data --back");
    auto given = std::make_shared<Move>();
    command->add_option("NAME", given->name, "the volume; the other server has the same target")->required();
    auto* address = command->add_option("ADDRESS", given->address, "a portal of the other server, with a port or without");
    command->add_flag("--back", given->back, "it is here again")->excludes(address);
    command->callback([&options, &chosen, given] {
        if (given->address.empty() && !given->back) {
            throw CLI::RequiredError("ADDRESS or --back");
        }
        chosen = [&options, given] {
            const json::object body{{"moved_to", given->back ? json::value(nullptr) : json::value(given->address)}};
            return run_request(options, [&](Client& client) { return client.patch(volume_url(given->name), body); }, show);
        };
    });
}

} // namespace rootstock::cli
