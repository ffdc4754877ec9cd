// rootstock image warm: keeps in memory what a version boots with.
#include "cli/image_commands.hpp"
#include "cli/job.hpp"
#include "cli/output.hpp"

#include <CLI/CLI.hpp>

namespace rootstock::cli {

namespace json = boost::json;

namespace {

struct Warming {
    std::string name;
    std::uint32_t version = 0;
    bool off = false;

    [[nodiscard]] std::string url() const { return images_url + ("/" + url_segment(name)) + "/warm"; }
    [[nodiscard]] std::string what() const { return "image " + name + (version == 0 ? "" : " version " + std::to_string(version)); }
};

int let_cool(const Options& options, const Warming& warming) {
    const std::string url = warming.url() + (warming.version == 0 ? "" : "?version=" + std::to_string(warming.version));
    return run_request(
        options, [&](Client& client) { return client.remove(url); },
        [&](const json::value&) { print(warming.what() + " is not kept warm any more\n"); }, true);
}

int warm(const Options& options, const Warming& warming) {
    Result<Client> client = Client::open(options, true); // what is warm is warm in the server
    if (!client) {
        return fail(client.error());
    }
    json::object body;
    if (warming.version != 0) {
        body["version"] = warming.version;
    }
    const Interrupt interrupt;
    const auto state = follow_job(*client, warming.url(), body, interrupt, "warm", "the warming of image " + warming.name);
    if (!state) {
        return fail(state.error());
    }
    print(options.json ? json::serialize(*state) + "\n" : warming.what() + " is warm: " + warm_words(*state) + "\n");
    return exit_ok;
}

} // namespace

std::string warm_words(const json::value& warm) {
    if (text_of(warm, "pinned_bytes") == text_of(warm, "bytes")) {
        return size_of(warm, "bytes") + " in memory, pinned";
    }
    return size_of(warm, "resident_bytes") + " of " + size_of(warm, "bytes") + " in memory, " + size_of(warm, "pinned_bytes") +
           " pinned: the server may lock no more (LimitMEMLOCK=infinity in its unit lets it)";
}

void add_image_warm(CLI::App& group, Options& options, Action& chosen) {
    auto warming = std::make_shared<Warming>();
    auto* command = group.add_subcommand("warm", "load what a version boots with into memory, and keep it there");
    command->add_option("NAME", warming->name, "the image")->required();
    command->add_option("--version", warming->version, "which version; default: the current one (with --off: all)")->check(CLI::PositiveNumber);
    command->add_flag("--off", warming->off, "let it go");
    command->footer("Example: rootstock image warm win11");
    command->callback([&options, &chosen, warming] {
        chosen = [&options, warming] { return warming->off ? let_cool(options, *warming) : warm(options, *warming); };
    });
}

} // namespace rootstock::cli
