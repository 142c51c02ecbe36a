// A row of a container as a record: which column is what, by format and fields mapping.
#include <algorithm>

#include "core/error.h"
#include "core/hash.h"
#include "data/source/rows.h"
#include "data/source/source.h"

namespace plumb::data {

namespace {

using nlohmann::json;

std::string column_of(const config::Source& source, const std::string& ours) {
  const auto mapped = source.fields.find(ours);
  return mapped == source.fields.end() ? ours : mapped->second;
}

// The column itself, or a path of keys joined by dots; null when absent.
const json* find(const json& row, const std::string& column) {
  if (const auto at = row.find(column); at != row.end()) return &*at;
  const auto dot = column.find('.');
  if (dot == std::string::npos) return nullptr;
  const auto at = row.find(column.substr(0, dot));
  return at != row.end() && at->is_object() ? find(*at, column.substr(dot + 1)) : nullptr;
}

// Strings stand for themselves, numbers and bools as JSON writes them, a list of these is joined by newlines.
std::string text_of(const json& value, const std::string& column) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number() || value.is_boolean()) return value.dump();
  if (value.is_array()) {
    std::string joined;
    for (size_t i = 0; i < value.size(); ++i) {
      if (value[i].is_array() || value[i].is_object()) break;
      joined += (i ? "\n" : "") + text_of(value[i], column);
      if (i + 1 == value.size()) return joined;
    }
    if (value.empty()) return joined;
  }
  throw RowError{"field \"" + column + "\": expected a text, found " +
                 (value.is_null()    ? "null"
                  : value.is_array() ? "a list of other things"
                                     : value.type_name())};
}

std::string names_of(const json& row) {
  std::string names;
  size_t others = 0;
  for (const auto& [key, unused] : row.items()) {
    const auto name = names.size() < 120 ? shown_name(key) : "";
    if (name.empty())
      ++others;
    else
      names += (names.empty() ? "" : ", ") + name;
  }
  if (others > 0) names += (names.empty() ? "" : " and ") + std::to_string(others) + " others";
  return names.empty() ? "nothing" : names;
}

std::string required(const config::Source& source, const json& row, const std::string& ours) {
  const std::string column = column_of(source, ours);
  const json* value = find(row, column);
  if (!value) {
    throw RowError{"expected a field \"" + column + "\", found only: " + names_of(row)};
  }
  return text_of(*value, column);
}

// A training text is a text: a number there is a column of something else that was taken for it.
std::string required_text(const config::Source& source, const json& row) {
  const std::string column = column_of(source, "text");
  const auto check = [&](const json& value) {
    if (!value.is_number() && !value.is_boolean()) return;
    throw RowError{"field \"" + column + "\": expected a text, found " + value.type_name(),
                   "fields: {text: COLUMN} names the column that holds the text"};
  };
  if (const json* value = find(row, column)) {
    check(*value);
    if (value->is_array()) std::for_each(value->begin(), value->end(), check);
  }
  return required(source, row, "text");
}

std::string optional_text(const config::Source& source, const json& row, const std::string& ours) {
  const std::string column = column_of(source, ours);
  const json* value = find(row, column);
  return !value || value->is_null() ? "" : text_of(*value, column);
}

// The row's own id. A column that fields names must be there; without a mapping `id` is read where it fits.
std::string key_of(const config::Source& source, const json& row) {
  const bool mapped = source.fields.contains("id");
  const json* value = find(row, column_of(source, "id"));
  if (!value && mapped) return required(source, row, "id");
  if (!value || value->is_null() || (!mapped && value->is_structured())) return "";
  return text_of(*value, column_of(source, "id"));
}

// OpenAI: content is a text or a list of parts of which only text parts are read.
std::string content_of(const json& value) {
  if (!value.is_array()) return text_of(value, "content");
  std::string joined;
  for (const auto& part : value) {
    if (part.is_string())
      joined += part.get<std::string>();
    else if (part.is_object() && part.value("type", json()) == "text" && part.contains("text")) {
      joined += text_of(part["text"], "content.text");
    } else {
      throw RowError{"message content: expected text parts, found another kind"};
    }
  }
  return joined;
}

// A table of texts (csv, many parquet files) holds the list as JSON.
json parsed_list(const json& text) {
  Row row;
  parse_row(text.get_ref<const std::string&>(), row);
  if (!row.wrong.empty()) throw RowError{"messages: expected a list, found a text that is " + row.wrong};
  return std::move(row.value);
}

// Roles of other conventions, named for who has to map them; anything else may be what a person wrote.
std::string named_role(const std::string& role) {
  static constexpr const char* kOthers[] = {"bot",     "developer", "function", "gpt",        "human",
                                            "ipython", "model",     "tool",     "tool_calls", "observation"};
  for (const char* other : kOthers) {
    if (role == other) return "\"" + role + "\"";
  }
  return "another";
}

void add_messages(const config::Source& source, const json& list, std::vector<Message>& messages) {
  if (!list.is_array()) throw RowError{std::string("messages: expected a list, found ") + list.type_name()};
  const std::string role = column_of(source, "role"), content = column_of(source, "content");
  for (const auto& item : list) {
    if (!item.is_object() || !item.contains(role) || !item.contains(content)) {
      throw RowError{"messages: expected objects with \"" + role + "\" and \"" + content + "\""};
    }
    if (!item[role].is_string()) throw RowError{"messages: expected a text as role"};
    Message message{item[role].get<std::string>(), content_of(item[content])};
    if (message.role != "system" && message.role != "user" && message.role != "assistant") {
      throw RowError{"messages: expected the role system, user or assistant, found " + named_role(message.role)};
    }
    messages.push_back(std::move(message));
  }
  if (messages.empty()) throw RowError{"messages: found an empty list"};
}

void fill_pair(const config::Source& source, const json& row, const char* question, const char* context,
               const char* answer, Record& record) {
  if (const auto system = optional_text(source, row, "system"); !system.empty()) {
    record.messages.push_back({"system", system});
  }
  Message user{"user", required(source, row, question)};
  if (*context) user.context = optional_text(source, row, context);
  record.messages.push_back(std::move(user));
  record.messages.push_back({"assistant", required(source, row, answer)});
}

// TRL also writes conversations here: prompt and completion are then lists of messages.
void fill_prompt_completion(const config::Source& source, const json& row, Record& record) {
  const json* prompt = find(row, column_of(source, "prompt"));
  const json* completion = find(row, column_of(source, "completion"));
  const auto is_conversation = [](const json* v) { return v && v->is_array() && !v->empty() && (*v)[0].is_object(); };
  if (is_conversation(prompt) && is_conversation(completion)) {
    add_messages(source, *prompt, record.messages);
    add_messages(source, *completion, record.messages);
    return;
  }
  fill_pair(source, row, "prompt", "", "completion", record);
}

}  // namespace

std::vector<std::string> used_columns(const config::Source& source) {
  std::vector<std::string> ours = {"id"};
  if (source.format == "text")
    ours.push_back("text");
  else if (source.format == "alpaca")
    ours.insert(ours.end(), {"system", "instruction", "input", "output"});
  else if (source.format == "dolly")
    ours.insert(ours.end(), {"system", "instruction", "context", "response"});
  else if (source.format == "prompt_completion")
    ours.insert(ours.end(), {"system", "prompt", "completion"});
  else
    ours.push_back("messages");
  for (auto& column : ours) column = column_of(source, column);
  ours.push_back("url");  // of which the account counts domains
  return ours;
}

void fill_record(const config::Source& source, json&& row, Record& record) {
  if (!row.is_object()) throw RowError{std::string("expected an object as row, found ") + row.type_name()};
  record.key = key_of(source, row);
  if (const json* url = find(row, column_of(source, "url")); url && url->is_string()) record.url = *url;
  const auto& format = source.format;
  if (format == "text") {
    record.text = required_text(source, row);
  } else if (format == "alpaca") {
    fill_pair(source, row, "instruction", "input", "output", record);
  } else if (format == "dolly") {
    fill_pair(source, row, "instruction", "context", "response", record);
  } else if (format == "prompt_completion") {
    fill_prompt_completion(source, row, record);
  } else if (format == "messages") {
    const std::string column = column_of(source, "messages");
    const json* list = find(row, column);
    if (!list) throw RowError{"expected a field \"" + column + "\""};
    add_messages(source, list->is_string() ? parsed_list(*list) : *list, record.messages);
  } else {
    fail_input(source.path, "unknown format \"" + format + "\"", "text alpaca dolly messages prompt_completion");
  }
  record.fields = std::move(row);
}

bool blank(std::string_view text) { return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos; }

bool says_nothing(const std::string& text, const std::vector<Message>& messages) {
  if (messages.empty()) return blank(text);
  bool answers = false, answered = false;
  for (const auto& message : messages) {
    if (message.role == "assistant") answers = true, answered |= !blank(message.content);
  }
  return answers && !answered;
}

// Who left an answer out wants to hear of it: nothing can be learnt of the row.
void check_answered(const config::Source& source, const Record& record) {
  if (record.messages.empty() || !says_nothing(record.text, record.messages)) return;
  const auto& format = source.format;
  const std::string answer = format == "alpaca"     ? "output"
                             : format == "dolly"    ? "response"
                             : format == "messages" ? "messages"
                                                    : "completion";
  throw RowError{"field \"" + column_of(source, answer) + "\": expected an answer, found an empty text",
                 "fill the answer in, or take the row out"};
}

uint64_t content_id(const std::string& name, const Record& record) {
  const uint64_t seed = core::xxh3(name);
  if (record.messages.empty()) return core::xxh3(record.text, seed);
  std::string joined;
  for (const auto& message : record.messages) {
    // Lengths keep ("ab","c") and ("a","bc") apart.
    for (const auto* part : {&message.role, &message.content, &message.context}) {
      joined += std::to_string(part->size()) + ":" + *part;
    }
  }
  return core::xxh3(joined, seed);
}

}  // namespace plumb::data
