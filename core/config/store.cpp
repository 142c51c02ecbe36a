// One value: from a node by its key's type into its field.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/config/reader.h"
#include "core/config/values.h"

namespace plumb::config {
namespace {

// Assigns where the field has the value's type, plain or optional.
template <class T>
void put(const Target& target, const T& value) {
  std::visit(
      [&](auto field) {
        using Field = decltype(field);
        if constexpr (std::is_same_v<Field, T*> || std::is_same_v<Field, std::optional<T>*>) *field = value;
      },
      target);
}

// `auto` and `none` empty the field.
void clear(const Target& target) {
  std::visit(
      [](auto field) {
        if constexpr (requires { field->reset(); }) field->reset();
        if constexpr (std::is_same_v<decltype(field), Interval*>) *field = Interval{};
      },
      target);
}

class Storing {
 public:
  Storing(const Key& key, const Node& node, const Target& target, Problems& problems)
      : key_(key), node_(node), target_(target), problems_(problems) {}

  bool run() {
    switch (key_.type) {
      case Type::texts:
      case Type::words:
        return list();
      case Type::columns:
        return columns();
      case Type::items:
        return refuse(node_, "");
      default:
        break;
    }
    if (node_.kind != Node::Kind::scalar) return refuse(node_, "");
    if (!node_.quoted && ((key_.may_be_auto && node_.text == "auto") || (key_.may_be_none && node_.text == "none"))) {
      clear(target_);
      return true;
    }
    return scalar();
  }

 private:
  const Key& key_;
  const Node& node_;
  const Target& target_;
  Problems& problems_;

  bool refuse(const Node& found, std::string hint) {
    const bool empty = found.kind == Node::Kind::nothing;
    if (empty && !key_.fallback.empty()) hint = "remove the key to take its default " + key_.fallback;
    problems_.add(found.place, fmt::format("expected {}, found {}", expected_text(key_), kind_text(found)), hint);
    return false;
  }

  bool in_range(double value) const {
    return value >= key_.least && value <= key_.most && value > key_.above && value < key_.below;
  }

  std::string range_hint(double value) const {
    const bool percent = key_.type == Type::fraction && !node_.text.ends_with('%') && in_range(value / 100);
    return percent ? fmt::format("write {}%", node_.text) : "";
  }

  static double amount(int64_t value) { return static_cast<double>(value); }
  static double amount(double value) { return value; }
  template <class T>
  static double amount(const T& value) {
    return value.value;
  }

  template <class T>
  bool take(Read<T> read, bool bare) {
    // "8" in quotes is a text; a value whose unit makes it a text anyway may stand in quotes.
    if (bare && node_.quoted) {
      problems_.add(node_.place, fmt::format("expected {}, found the text \"{}\"", expected_text(key_), node_.text),
                    read.value ? fmt::format("write {} without quotes", node_.text) : "");
      return false;
    }
    if (!read.value) return refuse(node_, read.hint);
    if (!in_range(amount(*read.value))) return refuse(node_, range_hint(amount(*read.value)));
    put(target_, *read.value);
    return true;
  }

  bool scalar() {
    const std::string& text = node_.text;
    switch (key_.type) {
      case Type::integer:
        return take(read_int(text), true);
      case Type::count:
        return take(read_count(text), true);
      case Type::number:
        return take(read_number(text), true);
      case Type::fraction:
        return take(read_fraction(text), true);
      case Type::bytes:
        return take(read_bytes(text), false);
      case Type::duration:
        return take(read_duration(text), false);
      case Type::interval:
        return take(read_interval(text), false);
      case Type::relative:
        return take(read_relative(text), true);
      case Type::span:
        return take(read_span(text), false);
      case Type::boolean:
        return boolean();
      case Type::word:
        return word();
      default:
        break;
    }
    if (text.empty()) return refuse(node_, "");
    put(target_, text);
    return true;
  }

  bool boolean() {
    const bool yes = node_.text == "true", no = node_.text == "false";
    if (node_.quoted && (yes || no)) return refuse(node_, fmt::format("write {} without quotes", node_.text));
    if (!yes && !no) {
      std::string lower = node_.text;
      std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
      const bool on = lower == "yes" || lower == "on" || lower == "true" || lower == "1";
      const bool off = lower == "no" || lower == "off" || lower == "false" || lower == "0";
      return refuse(node_, on ? "write true" : off ? "write false" : "");
    }
    put(target_, yes);
    return true;
  }

  // One of the key's words; "step-N" stands for step- and a number.
  bool is_word(const std::string& text) const {
    for (const auto& word : split_words(key_.words)) {
      if (word == text) return true;
      if (word == "step-N" && text.starts_with("step-") && text.size() > 5 && text.size() < 20 &&
          text.find_first_not_of("0123456789", 5) == std::string::npos)
        return true;
    }
    return false;
  }

  std::string word_hint(const std::string& text) const {
    const auto later = split_words(key_.later);
    if (std::find(later.begin(), later.end(), text) != later.end()) return text + " is planned, not in this release";
    const auto near = nearest(text, split_words(key_.words));
    return near ? fmt::format("did you mean {}?", *near) : "";
  }

  bool word() {
    if (!is_word(node_.text)) return refuse(node_, word_hint(node_.text));
    put(target_, node_.text);
    return true;
  }

  bool list() {
    if (node_.kind != Node::Kind::list) {
      const bool scalar = node_.kind == Node::Kind::scalar;
      return refuse(node_, scalar ? fmt::format("write [{}]", node_.text) : "");
    }
    std::vector<std::string> values;
    for (const auto& item : node_.items) {
      const bool text = item.kind == Node::Kind::scalar && !item.text.empty();
      if (!text || (key_.type == Type::words && !is_word(item.text)))
        return refuse(item, text ? word_hint(item.text) : "");
      if (std::find(values.begin(), values.end(), item.text) != values.end()) {
        problems_.add(item.place, fmt::format("expected each value once, found \"{}\" twice", item.text));
        return false;
      }
      values.push_back(item.text);
    }
    put(target_, values);
    return true;
  }

  bool columns() {
    if (node_.kind != Node::Kind::map) return refuse(node_, "");
    std::map<std::string, std::string> values;
    for (const auto& entry : node_.entries) {
      if (entry.value.kind != Node::Kind::scalar || entry.value.text.empty()) return refuse(entry.value, "");
      values[entry.key] = entry.value.text;
    }
    put(target_, values);
    return true;
  }
};

std::string render(const Key& key, const Target& target);

std::string list_text(const std::vector<std::string>& values) {
  std::string text;
  for (const auto& value : values) text += (text.empty() ? "" : ", ") + quote_if_needed(value);
  return "[" + text + "]";
}

std::string map_text(const std::map<std::string, std::string>& values) {
  std::string text;
  for (const auto& [name, value] : values)
    text += (text.empty() ? "" : ", ") + quote_if_needed(name) + ": " + quote_if_needed(value);
  return "{" + text + "}";
}

struct Renderer {
  const Key& key;
  std::string operator()(std::monostate) const { return ""; }
  std::string operator()(const int64_t* v) const {
    return key.type == Type::bytes ? write_bytes(*v) : std::to_string(*v);
  }
  std::string operator()(const double* v) const {
    return key.type == Type::duration ? write_duration(*v) : write_number(*v);
  }
  std::string operator()(const bool* v) const { return *v ? "true" : "false"; }
  std::string operator()(const std::string* v) const { return v->empty() ? "" : quote_if_needed(*v); }
  std::string operator()(const std::vector<std::string>* v) const { return list_text(*v); }
  std::string operator()(const std::map<std::string, std::string>* v) const { return map_text(*v); }
  std::string operator()(const Interval* v) const { return write_interval(*v); }
  std::string operator()(const Relative* v) const { return write_relative(*v); }
  std::string operator()(const Span* v) const { return write_span(*v); }
  template <class T>
  std::string operator()(const std::optional<T>* v) const {
    if (!*v) return key.may_be_auto ? "auto" : key.may_be_none ? "none" : "";
    return (*this)(&**v);
  }
};

std::string render(const Key& key, const Target& target) {
  return std::visit([&](const auto& field) { return Renderer{key}(field); }, target);
}

}  // namespace

bool store(const Key& key, const Node& node, const Target& target, Problems& problems) {
  return Storing(key, node, target, problems).run();
}

std::string render_value(const Key& key, void* owner) {
  if (key.type != Type::items) return render(key, key.bind(owner, false));
  std::string list;
  for (void* item : key.all(owner)) {
    std::string text;
    for (const auto& part : key.item_keys()) {
      const std::string value = render_value(part, item);
      if (value.empty() || value == part.fallback) continue;
      text += (text.empty() ? "" : ", ") + part.address + ": " + value;
    }
    list += (list.empty() ? "{" : ", {") + text + "}";
  }
  return list.empty() ? "" : "[" + list + "]";
}

}  // namespace plumb::config
