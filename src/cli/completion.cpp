#include "cli/completion.hpp"

#include "cli/options.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>

namespace rootstock::cli {

namespace {

struct Word {
    std::string text;
    std::string description;
};

std::string first_line(std::string text) { return text.substr(0, text.find('\n')); }

/// What may follow the command `app`: its subcommands and long options, and the options of all commands.
std::vector<Word> words_after(const CLI::App& app, const CLI::App& root) {
    std::vector<Word> words;
    for (const CLI::App* child : app.get_subcommands({})) {
        words.push_back({child->get_name(), first_line(child->get_description())});
    }
    const auto add_options = [&words](const CLI::App& from) {
        for (const CLI::Option* option : from.get_options()) {
            for (const std::string& name : option->get_lnames()) {
                words.push_back({"--" + name, first_line(option->get_description())});
            }
        }
    };
    add_options(app);
    if (&app != &root) {
        add_options(root);
    }
    return words;
}

/// Calls `visit(path, words)` for every command; `path` is "machine assign", empty for the program itself.
template <class Visit> void walk(const CLI::App& app, const CLI::App& root, const std::string& path, const Visit& visit) {
    visit(path, words_after(app, root));
    for (const CLI::App* child : app.get_subcommands({})) {
        walk(*child, root, path.empty() ? child->get_name() : path + " " + child->get_name(), visit);
    }
}

std::string bash_script(const CLI::App& root) {
    std::string cases;
    walk(root, root, "", [&cases](const std::string& path, const std::vector<Word>& words) {
        cases += "        '" + path + "') words='";
        for (const Word& word : words) {
            cases += word.text + " ";
        }
        cases += "' ;;\n";
    });
    return "# bash completion for rootstock\n"
           "_rootstock() {\n"
           "    local path='' word words=''\n"
           "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
           "        [[ $word == [a-z]* && $word != */* ]] && path=\"${path:+$path }$word\"\n"
           "    done\n"
           "    while :; do\n"
           "        case \"$path\" in\n" +
           cases +
           "        esac\n"
           "        [[ -n $words || $path != *' '* ]] && break\n"
           "        path=${path% *}\n"
           "    done\n"
           "    COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
           "    [[ ${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=($(compgen -f -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
           "}\n"
           "complete -o filenames -F _rootstock rootstock\n";
}

std::string zsh_script(const CLI::App& root) {
    return "#compdef rootstock\nautoload -U +X bashcompinit && bashcompinit\n" + bash_script(root);
}

std::string quoted(const std::string& text) {
    std::string out = "'";
    for (char c : text) {
        out += c == '\'' ? std::string("\\'") : std::string(1, c);
    }
    return out + "'";
}

std::string fish_script(const CLI::App& root) {
    std::string out = "# fish completion for rootstock\n"
                      "function __rootstock_path\n"
                      "    set -l path\n"
                      "    for word in (commandline -opc)[2..-1]\n"
                      "        string match -qr '^[a-z][a-z-]*$' -- $word; and set -a path $word\n"
                      "    end\n"
                      "    string join ' ' $path\n"
                      "end\n";
    walk(root, root, "", [&out](const std::string& path, const std::vector<Word>& words) {
        for (const Word& word : words) {
            const bool is_option = word.text.rfind("--", 0) == 0;
            out += "complete -c rootstock -n 'test (__rootstock_path) = \"" + path + "\"' " +
                   (is_option ? "-l " + word.text.substr(2) : "-f -a " + word.text) + " -d " + quoted(word.description) + "\n";
        }
    });
    return out;
}

} // namespace

std::optional<std::string> completion_script(const CLI::App& root, std::string_view shell) {
    if (shell == "bash") {
        return bash_script(root);
    }
    if (shell == "zsh") {
        return zsh_script(root);
    }
    if (shell == "fish") {
        return fish_script(root);
    }
    return std::nullopt;
}

void add_completion_command(CLI::App& app, Action& chosen) {
    auto* command = app.add_subcommand("completion", "print a completion script for your shell");
    command->footer("Example: rootstock completion bash > /etc/bash_completion.d/rootstock");
    auto shell = std::make_shared<std::string>();
    command->add_option("SHELL", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
    command->callback([&app, &chosen, shell] {
        chosen = [&app, shell] {
            std::fputs(completion_script(app, *shell)->c_str(), stdout);
            return exit_ok;
        };
    });
}

} // namespace rootstock::cli
