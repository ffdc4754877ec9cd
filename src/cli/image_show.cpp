// rootstock image show: the versions of an image, who stands on them, who gets them, and how they do.
#include "cli/image_commands.hpp"
#include "cli/output.hpp"
#include "cli/release_options.hpp"
#include "cli/table.hpp"

#include <CLI/CLI.hpp>

namespace rootstock::cli {

namespace json = boost::json;

namespace {

void show_releases(const json::value& image) {
    if (list_of(image, "releases").empty()) {
        return;
    }
    Table table({"RELEASE OF VERSION", "FOR", "STATE", "BOOTS", "WHY"});
    for (const json::value& release : list_of(image, "releases")) {
        const json::value boots = release.as_object().contains("boots") ? release.at("boots") : json::value(json::object());
        const std::string good = text_of(boots, "good");
        const std::string bad = text_of(boots, "bad");
        table.add({text_of(release, "version"), release_words(release), text_of(release, "state"), good + " good, " + bad + " failed",
                   text_of(release, "detail")});
    }
    print("\n" + table.text());
}

/// "3252" -> "3,252".
std::string grouped(std::string digits) {
    for (std::size_t at = digits.size(); at > 3;) {
        at -= 3;
        digits.insert(at, ",");
    }
    return digits;
}

/// What is known of each version's start.
void show_traces(const json::value& image) {
    std::string lines;
    for (const json::value& version : list_of(image, "versions")) {
        const json::value* trace = version.as_object().if_contains("trace");
        if (trace != nullptr && trace->is_object()) {
            lines += "version " + text_of(version, "number") + " boots with " + size_of(*trace, "bytes") + " in " + grouped(text_of(*trace, "reads")) + " reads";
            const json::value* warm = version.as_object().if_contains("warm");
            lines += warm != nullptr && warm->is_object() ? "; kept warm: " + warm_words(*warm) + "\n" : "\n";
        }
    }
    print(lines.empty() ? "" : "\n" + lines);
}

/// What keeps the current version from being opened; who has it open already goes on, as long as its bytes are right.
void show_problem(const json::value& image) {
    const json::value* content = image.as_object().if_contains("content");
    const bool is_damaged = content != nullptr && !list_of(*content, "damage").empty();
    const json::value* problem = content != nullptr ? content->as_object().if_contains("problem") : nullptr;
    if (problem == nullptr || (problem->is_null() && !is_damaged)) {
        return;
    }
    const std::string what = problem->is_null() ? text_of(*content, "file") + " is damaged" : text_of(*content, "problem");
    const bool is_needed = !list_of(image, "machines").empty();
    print("PROBLEM: " + what + ". No disk is opened on it." + (is_needed ? " These machines depend on it: " + words_of(image, "machines") + "." : "") +
          "\nPut a sound copy in its place, then: rootstock image verify " + text_of(image, "name") + "\n\n");
}

void show_image(const json::value& image) {
    const std::string name = text_of(image, "name");
    print("image " + name + ", version " + text_of(image, "version") + " is current\n\n");
    show_problem(image);
    Table table({"VERSION", "CREATED", "SIZE", "STORED", "FILES", "MACHINES", ""});
    for (const json::value& version : list_of(image, "versions")) {
        table.add({text_of(version, "number"), time_of(version, "created"), size_of(version, "size_bytes"), size_of(version, "stored_bytes"),
                   text_of(version, "files"), words_of(version, "machines"), text_of(version, "current") == "true" ? "current" : ""});
    }
    print(table.text());
    show_traces(image);
    show_releases(image);
    const json::value* writer = image.as_object().if_contains("maintenance");
    if (writer != nullptr && writer->is_object()) {
        print("\nMachine " + text_of(*writer, "machine") + " writes the next version since " + time_of(*writer, "since") +
              ". When it is switched off: rootstock image publish " + name + "\n");
    }
}

} // namespace

void add_image_show(CLI::App& group, Options& options, Action& chosen) {
    auto name = std::make_shared<std::string>();
    auto* show = group.add_subcommand("show", "the versions of an image, who stands on them, and who gets them");
    show->add_option("NAME", *name, "the image")->required();
    show->footer("Example: rootstock image show win11");
    show->callback([&options, &chosen, name] {
        chosen = [&options, name] {
            return run_request(
                options, [&name](Client& client) { return client.get("/api/v1/images/" + url_segment(*name)); }, show_image);
        };
    });
}

} // namespace rootstock::cli
