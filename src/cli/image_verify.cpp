// rootstock image verify
#include "cli/job.hpp"
#include "cli/image_commands.hpp"
#include "cli/output.hpp"

#include <CLI/CLI.hpp>

namespace rootstock::cli {

namespace json = boost::json;

namespace {

struct Verification {
    std::string name;
    std::uint32_t version = 0;
};

/// Whether it is sound.
bool show_file(const Options& options, const json::value& content) {
    const json::array& damage = list_of(content, "damage");
    const std::string file = text_of(content, "file");
    if (options.json) {
        return damage.empty();
    }
    for (const json::value& range : damage) {
        print(file + " is damaged: " + size_of(range, "length") + " from byte " + text_of(range, "offset") + " on\n");
    }
    if (damage.empty()) {
        print(file + " is sound: SHA-256 tree " + text_of(content, "digest") + "\n");
    }
    return damage.empty();
}

int verify_image(const Options& options, const Verification& verification) {
    Result<Client> client = Client::open(options);
    if (!client) {
        return fail(client.error());
    }
    json::object body;
    if (verification.version != 0) {
        body["version"] = verification.version;
    }
    const Interrupt interrupt;
    const auto files = follow_job(*client, images_url + ("/" + url_segment(verification.name)) + "/verify", body, interrupt, "files",
                                  "the verification of image " + verification.name);
    if (!files) {
        return fail(files.error());
    }
    bool sound = true;
    for (const json::value& content : files->as_array()) {
        sound = show_file(options, content) && sound;
    }
    if (options.json) {
        print(json::serialize(*files) + "\n");
        return sound ? exit_ok : exit_failed;
    }
    return sound ? exit_ok
                 : fail({{}, "image " + verification.name + " is damaged and is not given to machines any more: put a sound copy in its place, then verify it again"});
}

} // namespace

void add_image_verify(CLI::App& group, Options& options, Action& chosen) {
    auto verification = std::make_shared<Verification>();
    auto* command = group.add_subcommand("verify", "read an image and compare it with the digest of its import");
    command->add_option("NAME", verification->name, "the image")->required();
    command->add_option("--version", verification->version, "which version; default: the current one")->check(CLI::PositiveNumber);
    command->footer("Example: rootstock image verify win11");
    command->callback([&options, &chosen, verification] { chosen = [&options, verification] { return verify_image(options, *verification); }; });
}

} // namespace rootstock::cli
