// rootstock image list|remove; joins the other image commands
#include "cli/image_commands.hpp"
#include "cli/options.hpp"
#include "cli/output.hpp"
#include "cli/table.hpp"

#include <CLI/CLI.hpp>

namespace rootstock::cli {

namespace json = boost::json;

void add_image_commands(CLI::App& app, Options& options, Action& chosen) {
    auto* group = app.add_subcommand("image", "images and their versions: import, list, show, update, publish, release, rollback, ...");
    group->require_subcommand(1);
    group->footer("Example: rootstock image list");

    add_image_import(*group, options, chosen);

    auto* list = group->add_subcommand("list", "all images");
    list->footer("Example: rootstock image list --json");
    list->callback([&options, &chosen] {
        chosen = [&options] {
            return run_request(
                options, [](Client& client) { return client.get(images_url); },
                [](const json::value& answer) {
                    Table table({"NAME", "VERSION", "SIZE", "STORED", "CREATED", "MACHINES"});
                    for (const json::value& image : list_of(answer, "images")) {
                        table.add({text_of(image, "name"), text_of(image, "version"), size_of(image, "size_bytes"), size_of(image, "stored_bytes"),
                                   time_of(image, "created"), std::to_string(list_of(image, "machines").size())});
                    }
                    print(table.empty() ? "No images yet. Import one: rootstock image import FILE --name NAME\n" : table.text());
                });
        };
    });

    add_image_show(*group, options, chosen);
    add_image_version_commands(*group, options, chosen);
    add_image_publish(*group, options, chosen);
    add_image_verify(*group, options, chosen);
    add_image_warm(*group, options, chosen);
    add_image_export(*group, options, chosen);
    add_image_file_commands(*group, options, chosen);

    auto name = std::make_shared<std::string>();
    auto* remove = group->add_subcommand("remove", "delete an image that nobody needs");
    remove->add_option("NAME", *name, "the image")->required();
    remove->footer("Example: rootstock image remove win10");
    remove->callback([&options, &chosen, name] {
        chosen = [&options, name] {
            return run_request(
                options, [&name](Client& client) { return client.remove(std::string(images_url) + "/" + url_segment(*name)); },
                [&name](const json::value&) { print("image " + *name + " removed\n"); });
        };
    });
}

} // namespace rootstock::cli
