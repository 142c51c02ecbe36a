#include "core/config/node.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>

namespace plumb::config {

Entry* Node::find(const std::string& key) {
  for (auto& entry : entries)
    if (entry.key == key) return &entry;
  return nullptr;
}

std::string kind_text(const Node& node) {
  switch (node.kind) {
    case Node::Kind::nothing:
      return "nothing";
    case Node::Kind::list:
      return "a list";
    case Node::Kind::map:
      return "a map";
    case Node::Kind::scalar:
      break;
  }
  std::string text = node.text;
  if (text.size() > 60) {
    size_t cut = 60;
    while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
    text = text.substr(0, cut) + "...";
  }
  return "\"" + text + "\"";
}

std::string flow(const Node& node) {
  std::string text;
  if (node.kind == Node::Kind::scalar) return node.quoted ? quote_if_needed(node.text) : node.text;
  if (node.kind == Node::Kind::list) {
    for (const auto& item : node.items) text += (text.empty() ? "" : ", ") + flow(item);
    return "[" + text + "]";
  }
  if (node.kind == Node::Kind::map) {
    for (const auto& entry : node.entries) text += (text.empty() ? "" : ", ") + entry.key + ": " + flow(entry.value);
    return "{" + text + "}";
  }
  return "";
}

std::string quote_if_needed(const std::string& text, bool in_flow) {
  const std::string_view special_first = "-?:,[]{}#&*!|>'\"%@`~=<";
  bool plain = !text.empty() && special_first.find(text.front()) == std::string_view::npos && text.front() != ' ' &&
               text.back() != ' ' && text.back() != ':';
  for (size_t i = 0; plain && i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool comment = c == '#' && text[i - 1] == ' ', value = c == ':' && text[i + 1] == ' ';
    if (c < 0x20 || c == 0x7F || comment || value) plain = false;
    if (in_flow && std::string_view(",[]{}").find(text[i]) != std::string_view::npos) plain = false;
    if (in_flow && c == ':') plain = false;
  }
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (lower == "null" || lower == "---" || lower == "...") plain = false;
  if (plain) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

}  // namespace plumb::config
