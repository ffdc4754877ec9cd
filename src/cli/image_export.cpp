// rootstock image export: masters never change, so the file is read where it lies.
#include "cli/convert_file.hpp"
#include "cli/image_commands.hpp"
#include "cli/output.hpp"

#include <CLI/CLI.hpp>

namespace rootstock::cli {

namespace {

/// The client is gone before the copy begins: without a server it holds the data directory's lock.
Result<std::string> master_file(const Options& options, const std::string& name) {
    Result<Client> client = Client::open(options);
    if (!client) {
        return client.error();
    }
    const Result<Reply> image = client->get("/api/v1/images/" + url_segment(name));
    return image ? Result<std::string>(text_of(image->value, "file")) : Result<std::string>(image.error());
}

int export_image(const Options& options, const std::string& name, const OutputFile& output) {
    const Result<std::string> file = master_file(options, name);
    return file ? convert_file(options, *file, output) : fail(file.error());
}

} // namespace

void add_image_export(CLI::App& group, Options& options, Action& chosen) {
    auto name = std::make_shared<std::string>();
    auto* command = group.add_subcommand("export", "write the current version of an image as a file");
    command->add_option("NAME", *name, "the image")->required();
    auto output = add_output_file(*command, "FILE");
    command->footer("Example: rootstock image export win11 win11.vhdx");
    command->callback([&options, &chosen, name, output] { chosen = [&options, name, output] { return export_image(options, *name, *output); }; });
}

} // namespace rootstock::cli
