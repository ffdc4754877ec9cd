// Completion scripts come from the command tree; the shells themselves check them.
#include "cli/completion.hpp"
#include "cli/options.hpp"
#include "support/catch.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <cstdlib>
#include <fstream>

using namespace rootstock::cli;

namespace {
struct Commands {
    Options options;
    Action chosen;
    CLI::App app{"test"};
    Commands() {
        app.add_flag("--json", options.json, "print JSON");
        add_machine_commands(app, options, chosen);
        add_volume_commands(app, options, chosen);
    }
};

/// What bash would offer after `line`, by running the real script in the real shell.
std::string offered(const std::string& script, const std::string& words, int current) {
    char path[] = "/tmp/rootstock-completion-XXXXXX";
    const int descriptor = mkstemp(path);
    REQUIRE(descriptor >= 0);
    std::ofstream(path) << script << "COMP_WORDS=(" << words << ")\nCOMP_CWORD=" << current << "\n_rootstock\necho \"${COMPREPLY[*]}\"\n";
    std::FILE* shell = popen((std::string("bash ") + path).c_str(), "r");
    REQUIRE(shell != nullptr);
    std::string out(4096, '\0');
    out.resize(std::fread(out.data(), 1, out.size(), shell));
    CHECK(pclose(shell) == 0);
    std::remove(path);
    return out;
}
} // namespace

TEST_CASE("bash: subcommands and options of the command that is being typed", "[cli][completion]") {
    Commands commands;
    const auto script = completion_script(commands.app, "bash");
    REQUIRE(script.has_value());
    CHECK(offered(*script, "rootstock ma", 1) == "machine\n");
    CHECK(offered(*script, "rootstock machine re", 2) == "replace reset rebase remove\n");
    CHECK(offered(*script, "rootstock machine replace lab1-07 --w", 4) == "--with\n");
    CHECK(offered(*script, "rootstock volume create data --js", 4) == "--json\n");
    CHECK(offered(*script, "rootstock volume set data --no", 4) == "--nobody --no-chap --no-mutual-chap\n");
}

TEST_CASE("fish and zsh have scripts, other shells have none", "[cli][completion]") {
    Commands commands;
    CHECK(completion_script(commands.app, "zsh")->starts_with("#compdef rootstock"));
    CHECK(completion_script(commands.app, "fish")->find("-a machine") != std::string::npos);
    CHECK_FALSE(completion_script(commands.app, "csh").has_value());
}
