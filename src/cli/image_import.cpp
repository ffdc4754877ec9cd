// rootstock image import
#include "cli/image_commands.hpp"
#include "cli/job.hpp"
#include "cli/output.hpp"
#include "cli/spool.hpp"
#include "http/fetch.hpp"

#include <CLI/CLI.hpp>

#include <filesystem>

namespace rootstock::cli {

namespace json = boost::json;

namespace {

struct Import {
    std::string file;
    std::string name;
    std::string sha256;
    std::string ca_file;
};

int show_outcome(const Options& options, const Import& import, const json::value& image) {
    print(options.json ? json::serialize(image) + "\n"
                       : "image " + import.name + " version " + text_of(image, "version") + ": " + size_of(image, "size_bytes") + ", " +
                             size_of(image, "stored_bytes") + " stored\n");
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
    json::object body{{"name", import.name}, {"source", http::is_url(source) ? source : std::filesystem::absolute(source).string()}};
    if (!import.ca_file.empty()) {
        body["ca"] = std::filesystem::absolute(import.ca_file).string();
    }
    if (!import.sha256.empty()) {
        body["sha256"] = import.sha256;
    }
    const Result<json::value> outcome = follow_job(*client, images_url, body, interrupt, "image", "the import of " + import.file);
    return outcome ? show_outcome(options, import, *outcome) : fail(outcome.error());
}

} // namespace

void add_image_import(CLI::App& group, Options& options, Action& chosen) {
    auto import = std::make_shared<Import>();
    auto* command = group.add_subcommand("import", "make a disk image of any format the next version of an image");
    command->add_option("FILE", import->file, "the disk image: raw, VHDX, VHD, qcow2, VMDK, VDI, also compressed by gzip, xz, zstd or bzip2; a block device; an http or https URL; - for standard input")->required();
    command->add_option("--name", import->name, "name of the image")->required();
    command->add_option("--sha256", import->sha256, "refuse a file whose SHA-256 is another one");
    command->add_option("--ca", import->ca_file, "certificate authorities to trust for an https URL, instead of the system's (PEM)");
    command->footer("Example: rootstock image import win11.vhdx --name win11");
    command->callback([&options, &chosen, import] { chosen = [&options, import] { return import_image(options, *import); }; });
}

} // namespace rootstock::cli
