// rootstock image import|list|remove
#include "cli/options.hpp"
#include "cli/output.hpp"
#include "cli/table.hpp"
#include "core/text.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/parse.hpp>

#include <cstdio>
#include <filesystem>

#include <unistd.h>

namespace rootstock::cli {

namespace json = boost::json;

namespace {
constexpr const char* images_url = "/api/v1/images";

/// One line that is drawn over and over; nothing when standard error is no terminal.
class ProgressBar {
  public:
    void draw(std::uint64_t done, std::uint64_t total, std::uint64_t stored) {
        if (!shown_) {
            return;
        }
        constexpr std::size_t cells = 30;
        const double share = total == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(total);
        const auto full = static_cast<std::size_t>(share * cells);
        std::fprintf(stderr, "\r\x1b[K[%s%s] %3.0f%%  %s of %s, %s stored", std::string(full, '#').c_str(), std::string(cells - full, '.').c_str(),
                     share * 100, format_size(done).c_str(), format_size(total).c_str(), format_size(stored).c_str());
        drawn_ = true;
    }
    ~ProgressBar() {
        if (drawn_) {
            std::fputc('\n', stderr);
        }
    }

  private:
    bool shown_ = ::isatty(STDERR_FILENO) == 1;
    bool drawn_ = false;
};

std::uint64_t number_of(const json::value& object, const char* key) {
    const json::value* found = object.as_object().if_contains(key);
    return found != nullptr && found->is_number() ? found->to_number<std::uint64_t>() : 0;
}

/// Follows the import's lines; the last one is the image or what went wrong.
Result<json::value> follow_import(Client& client, const json::value& body) {
    ProgressBar bar;
    json::value outcome;
    const auto streamed = client.stream(images_url, body, [&](std::string_view line) {
        boost::system::error_code failure;
        json::value value = json::parse({line.data(), line.size()}, failure);
        if (failure || !value.is_object()) {
            return true;
        }
        if (const json::value* progress = value.as_object().if_contains("progress"); progress != nullptr && progress->is_object()) {
            bar.draw(number_of(*progress, "done_bytes"), number_of(*progress, "total_bytes"), number_of(*progress, "stored_bytes"));
        } else {
            outcome = std::move(value);
        }
        return true;
    });
    if (!streamed) {
        return streamed.error();
    }
    return outcome;
}

int import_image(const Options& options, const std::string& file, const std::string& name) {
    Result<Client> client = Client::open(options);
    if (!client) {
        return fail(client.error());
    }
    const json::object body{{"name", name}, {"source", std::filesystem::absolute(file).string()}};
    Result<json::value> outcome = follow_import(*client, body);
    if (!outcome) {
        return fail(outcome.error());
    }
    const json::object* answer = outcome->if_object();
    if (const json::value* error = answer == nullptr ? nullptr : answer->if_contains("error"); error != nullptr) {
        const std::string remedy = text_of(*error, "remedy");
        return fail({{}, text_of(*error, "message") + (remedy == "-" ? "" : ": " + remedy)});
    }
    const json::value* image = answer == nullptr ? nullptr : answer->if_contains("image");
    if (image == nullptr) {
        return fail({{}, "the import of " + file + " ended without a result: look at the server's log, then try again"});
    }
    print(options.json ? json::serialize(*image) + "\n"
                       : "image " + name + " version " + text_of(*image, "version") + ": " + size_of(*image, "size_bytes") + ", " +
                             size_of(*image, "stored_bytes") + " stored\n");
    return exit_ok;
}

} // namespace

void add_image_commands(CLI::App& app, Options& options, Action& chosen) {
    auto* group = app.add_subcommand("image", "images: import, list, remove");
    group->require_subcommand(1);
    group->footer("Example: rootstock image list");

    auto file = std::make_shared<std::string>();
    auto name = std::make_shared<std::string>();
    auto* import = group->add_subcommand("import", "make a raw disk image the next version of an image");
    import->add_option("FILE", *file, "the raw disk image")->required();
    import->add_option("--name", *name, "name of the image")->required();
    import->footer("Example: rootstock image import win11.img --name win11");
    import->callback([&options, &chosen, file, name] { chosen = [&options, file, name] { return import_image(options, *file, *name); }; });

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
