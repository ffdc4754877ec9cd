#include "app/config_chap.hpp"

namespace rootstock::app {

namespace {

using Key = TableReader::Key;

/// The two halves of one CHAP identity. A message never shows what stands where a secret should.
std::optional<std::string> read_secret(TableReader& table) {
    const Key key{"secret", "a secret text", R"("at least 12 bytes")"};
    const TomlNode* node = table.require(key);
    if (node == nullptr) {
        return std::nullopt;
    }
    if (node->kind != TomlNode::Kind::text || node->text.size() < images::chap_secret_min || node->text.size() > images::chap_secret_max) {
        table.complain(node->place, "secret: expected a text of " + std::to_string(images::chap_secret_min) + " to " +
                                        std::to_string(images::chap_secret_max) +
                                        " bytes (RFC 7143 section 9.2.1: at least 96 bits), like secret = \"at least 12 bytes\"; found " +
                                        (node->kind == TomlNode::Kind::text ? "one of " + std::to_string(node->text.size()) : "no text"));
        return std::nullopt;
    }
    return node->text;
}

/// The identity under `key`, empty when there is none or it is wrong.
images::ChapIdentity read_chap(TableReader& table, const std::string& header, std::string_view key) {
    const TomlNode* node = table.take({key, "", ""});
    if (node == nullptr) {
        return {};
    }
    if (node->kind != TomlNode::Kind::table) {
        table.complain(node->place, std::string(key) + ": expected a user and a secret, like " + std::string(key) +
                                        R"( = { user = "backup", secret = "at least 12 bytes" })");
        return {};
    }
    TableReader identity(node, header + " " + std::string(key), node->place, table.problems());
    const auto is_user = [](std::string_view text) { return !text.empty() && text.size() <= images::chap_user_max; };
    const Key user_key{"user", "a name of 1 to 255 characters", "\"backup\""};
    const auto user = identity.require(user_key) != nullptr ? identity.parsed(user_key, text_if(is_user)) : std::nullopt;
    const auto secret = read_secret(identity);
    identity.finish();
    return user && secret ? images::ChapIdentity{*user, *secret} : images::ChapIdentity{};
}

} // namespace

void read_chap_pair(TableReader& table, const std::string& header, const std::string& prefix, images::ChapIdentity& chap,
                    images::ChapIdentity& mutual) {
    const std::string mutual_key = prefix + "mutual_chap";
    const bool has_chap = table.take({prefix + "chap", "", ""}) != nullptr;
    const TomlNode* mutual_node = table.take({mutual_key, "", ""});
    chap = read_chap(table, header, prefix + "chap");
    mutual = read_chap(table, header, mutual_key);
    if (mutual_node == nullptr || mutual.empty() || (has_chap && chap.empty())) {
        return;
    }
    if (const auto sound = images::check_chap(chap, mutual); !sound) {
        table.complain(mutual_node->place, mutual_key + ": " + sound.error().what);
    }
}

} // namespace rootstock::app
