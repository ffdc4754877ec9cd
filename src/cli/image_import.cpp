// rootstock image import
#include "cli/image_commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/output.hpp"
#include "cli/progress_bar.hpp"
#include "cli/spool.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/parse.hpp>

#include <filesystem>

namespace rootstock::cli {

namespace json = boost::json;

namespace {

constexpr const char* images_url = "/api/v1/images";

struct Import {
    std::string file;
    std::string name;
    std::string sha256;
};

std::uint64_t number_of(const json::value& object, const char* key) {
    const json::value* found = object.as_object().if_contains(key);
    return found != nullptr && found->is_number() ? found->to_number<std::uint64_t>() : 0;
}

/// Follows the import's lines; the last one is the image or what went wrong. Leaving early cancels it.
Result<json::value> follow_import(Client& client, const json::value& body, const Interrupt& interrupt) {
    ProgressBar bar;
    json::value outcome;
    const auto streamed = client.stream(images_url, body, [&](std::string_view line) {
        boost::system::error_code failure;
        json::value value = json::parse({line.data(), line.size()}, failure);
        if (failure || !value.is_object()) {
            return !interrupt.asked();
        }
        if (const json::value* progress = value.as_object().if_contains("progress"); progress != nullptr && progress->is_object()) {
            bar.draw(number_of(*progress, "done_bytes"), number_of(*progress, "total_bytes"), number_of(*progress, "stored_bytes"));
        } else {
            outcome = std::move(value);
        }
        return !interrupt.asked();
    });
    if (interrupt.asked() && outcome.is_null()) {
        return make_error(std::errc::operation_canceled, "the import was cancelled; nothing was kept");
    }
    if (!streamed) {
        return streamed.error();
    }
    return outcome;
}

int show_outcome(const Options& options, const Import& import, const json::value& outcome) {
    const json::object* answer = outcome.if_object();
    if (const json::value* error = answer == nullptr ? nullptr : answer->if_contains("error"); error != nullptr) {
        const std::string remedy = text_of(*error, "remedy");
        return fail({{}, text_of(*error, "message") + (remedy == "-" ? "" : ": " + remedy)});
    }
    const json::value* image = answer == nullptr ? nullptr : answer->if_contains("image");
    if (image == nullptr) {
        return fail({{}, "the import of " + import.file + " ended without a result: look at the server's log, then try again"});
    }
    print(options.json ? json::serialize(*image) + "\n"
                       : "image " + import.name + " version " + text_of(*image, "version") + ": " + size_of(*image, "size_bytes") + ", " +
                             size_of(*image, "stored_bytes") + " stored\n");
    return exit_ok;
}

int import_image(const Options& options, const Import& import) {
    Result<Client> client = Client::open(options);
    if (!client) {
        return fail(client.error());
    }
    const auto files = images::make_posix_file_system();
    const Interrupt interrupt;
    std::string source = import.file;
    std::optional<images::PendingFile> spooled;
    if (import.file == "-") {
        auto input = spool_standard_input(*files, client->data_directory(), interrupt);
        if (!input) {
            return fail(input.error());
        }
        source = input->path();
        spooled.emplace(std::move(*input));
    }
    json::object body{{"name", import.name}, {"source", std::filesystem::absolute(source).string()}};
    if (!import.sha256.empty()) {
        body["sha256"] = import.sha256;
    }
    const Result<json::value> outcome = follow_import(*client, body, interrupt);
    return outcome ? show_outcome(options, import, *outcome) : fail(outcome.error());
}

} // namespace

void add_image_import(CLI::App& group, Options& options, Action& chosen) {
    auto import = std::make_shared<Import>();
    auto* command = group.add_subcommand("import", "make a disk image of any format the next version of an image");
    command->add_option("FILE", import->file, "the disk image: raw, VHDX, VHD, qcow2, VMDK, VDI; a block device; - for standard input")->required();
    command->add_option("--name", import->name, "name of the image")->required();
    command->add_option("--sha256", import->sha256, "refuse a file whose SHA-256 is another one");
    command->footer("Example: rootstock image import win11.vhdx --name win11");
    command->callback([&options, &chosen, import] { chosen = [&options, import] { return import_image(options, *import); }; });
}

} // namespace rootstock::cli
