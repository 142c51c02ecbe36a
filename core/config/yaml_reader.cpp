// Strict reading on top of yaml-cpp's events. yaml-cpp 0.7 keeps both of two equal keys and silently takes the first,
// ignores merge keys, builds cyclic trees from aliases, lets aliases multiply, accepts invalid UTF-8 and nests until
// the stack ends; none of its tree is used here.
#include <fmt/format.h>
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "core/config/node.h"
#include "core/config/utf8.h"

namespace plumb::config {
namespace {

constexpr size_t most_bytes = 1 << 20;
constexpr size_t deepest = 32;
constexpr size_t most_nodes = 20000;

// Ends reading after a mistake that leaves no tree; the mistake is in Problems already.
struct Stop : std::runtime_error {
  Stop() : std::runtime_error("stop") {}
};

size_t count_nodes(const Node& node) {
  size_t n = 1;
  for (const auto& item : node.items) n += count_nodes(item);
  for (const auto& entry : node.entries) n += count_nodes(entry.value);
  return n;
}

// Builds the tree and refuses, with a place, what yaml-cpp would take.
class Builder : public YAML::EventHandler {
 public:
  Builder(Problems& problems, std::optional<int> argument) : problems_(problems), argument_(argument) {}
  Node root;

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node;
    node.place = place(mark, 1);
    add(std::move(node), anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_tag(mark, tag);
    Node node;
    node.kind = Node::Kind::scalar;
    node.text = value;
    node.quoted = tag == "!";
    node.place = place(mark, scalar_length(mark, value, node.quoted));
    add(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end())
      stop(place(mark, 1), "expected a value, found an alias to a value that contains it", "write the value out");
    Node copy = found->second;
    grow(count_nodes(copy), mark);
    if (frames_.size() + 1 > deepest) too_deep(mark);
    add(std::move(copy), 0);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::Kind::list, mark, tag, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Node::Kind::map, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    Node node;
    YAML::anchor_t anchor = 0;
    std::optional<Entry> open;  // a map's key that waits for its value
    bool skip = false;          // the value of a refused key
  };

  Problems& problems_;
  std::optional<int> argument_;  // an override instead of the file
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Node> anchors_;
  size_t nodes_ = 0;

  Place place(const YAML::Mark& mark, int length) const {
    if (argument_) return {Place::In::command_line, 0, 0, 0, *argument_};
    if (mark.line < 0) return {};
    return {Place::In::file, mark.line + 1, mark.column + 1, length, 0};
  }

  // How many bytes of the source line a scalar takes; a quoted one ends with its quote.
  int scalar_length(const YAML::Mark& mark, const std::string& value, bool quoted) const {
    if (argument_ || mark.line < 0 || mark.line >= static_cast<int>(problems_.lines().size())) return 1;
    const std::string& line = problems_.lines()[static_cast<size_t>(mark.line)];
    const auto column = static_cast<size_t>(mark.column);
    if (column >= line.size()) return 1;
    if (!quoted) return static_cast<int>(std::min(value.size(), line.size() - column));
    for (size_t at = column + 1; at < line.size(); ++at) {
      if (line[at] == '\\' && line[column] == '"')
        ++at;
      else if (line[at] == line[column])
        return static_cast<int>(at + 1 - column);
    }
    return static_cast<int>(line.size() - column);
  }

  [[noreturn]] void stop(const Place& where, std::string message, std::string hint = "") {
    problems_.add(where, std::move(message), std::move(hint));
    throw Stop();
  }

  [[noreturn]] void too_deep(const YAML::Mark& mark) {
    stop(place(mark, 1), fmt::format("expected at most {} levels of nesting", deepest));
  }

  void grow(size_t nodes, const YAML::Mark& mark) {
    nodes_ += nodes;
    if (nodes_ > most_nodes)
      stop(place(mark, 1), fmt::format("expected at most {} values, found more (aliases counted)", most_nodes));
  }

  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    stop(place(mark, 1), fmt::format("expected a plain value, found the tag {}", tag),
         "the key decides how its value is read; remove the tag");
  }

  std::string address(const std::string& key) const {
    std::string text;
    for (const auto& frame : frames_) {
      if (frame.open) text += frame.open->key + ".";
    }
    return text + key;
  }

  void open(Node::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    refuse_tag(mark, tag);
    if (frames_.size() >= deepest) too_deep(mark);
    grow(1, mark);
    Frame frame;
    frame.node.kind = kind;
    frame.node.place = place(mark, 1);
    frame.anchor = anchor;
    if (expects_key())
      stop(frame.node.place, "expected a name as the key, found " + kind_text(frame.node),
           "perhaps a bracket is not closed");
    frames_.push_back(std::move(frame));
  }

  void close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    if (frame.anchor) anchors_[frame.anchor] = frame.node;
    put(std::move(frame.node));
  }

  bool expects_key() const {
    return !frames_.empty() && frames_.back().node.kind == Node::Kind::map && !frames_.back().open;
  }

  void add(Node node, YAML::anchor_t anchor) {
    if (++nodes_ > most_nodes) stop(node.place, fmt::format("expected at most {} values, found more", most_nodes));
    if (anchor) anchors_[anchor] = node;
    if (expects_key()) return begin_entry(node);
    put(std::move(node));
  }

  void begin_entry(const Node& node) {
    if (node.kind != Node::Kind::scalar) stop(node.place, "expected a name as the key, found " + kind_text(node));
    Frame& frame = frames_.back();
    frame.skip = false;
    if (node.text == "<<" && !node.quoted) {
      problems_.add(node.place, "unknown key <<",
                    "merge keys are not read; write the keys out, or give overrides on the command line");
      frame.skip = true;
    } else if (const Entry* twin = frame.node.find(node.text)) {
      problems_.add(node.place,
                    fmt::format("key {} stands twice (first on line {})", address(node.text), twin->place.line),
                    "remove one of them");
      frame.skip = true;
    }
    frame.open = Entry{node.text, node.place, {}, ""};
  }

  void put(Node node) {
    if (frames_.empty()) {
      root = std::move(node);
      return;
    }
    Frame& frame = frames_.back();
    if (frame.node.kind == Node::Kind::list) {
      frame.node.items.push_back(std::move(node));
      return;
    }
    Entry entry = std::move(*frame.open);
    frame.open.reset();
    entry.value = std::move(node);
    if (!frame.skip) frame.node.entries.push_back(std::move(entry));
  }
};

// Only the marks of a further document; what is in it does not matter.
class SecondDocument : public YAML::EventHandler {
 public:
  YAML::Mark start = YAML::Mark::null_mark();
  void OnDocumentStart(const YAML::Mark& mark) override {
    start = mark;
    throw Stop();
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

void parse(const std::string& text, Builder& builder, std::optional<int> argument, Problems& problems) {
  const auto at = [&](const YAML::Mark& mark) {
    if (argument) return Place{Place::In::command_line, 0, 0, 0, *argument};
    if (mark.line < 0) return Place{};
    return Place{Place::In::file, mark.line + 1, mark.column + 1, 1, 0};
  };
  SecondDocument second;
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return;
    try {
      parser.HandleNextDocument(second);
    } catch (const Stop&) {
      problems.add(at(second.start), "expected one document, found a second one",
                   "one file is one run; split the file");
      throw;
    }
  } catch (const Stop&) {
    builder.root = {};
  } catch (const YAML::DeepRecursion& error) {
    problems.add(at(error.mark), fmt::format("expected at most {} levels of nesting", deepest));
    builder.root = {};
  } catch (const YAML::Exception& error) {
    problems.add(at(error.mark), "not valid YAML: " + error.msg);
    builder.root = {};
  }
}

// What yaml-cpp would take but no configuration needs: tabs, control characters, bytes that are not UTF-8.
bool check_bytes(const std::string& text, std::optional<int> argument, Problems& problems) {
  int line = 1, column = 1;
  const auto here = [&](int length) {
    if (argument) return Place{Place::In::command_line, 0, 0, 0, *argument};
    return Place{Place::In::file, line, column, length, 0};
  };
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const size_t n = utf8_length(text, i);
    if (n == 0) {
      problems.add(here(1), fmt::format("expected UTF-8, found the byte 0x{:02x}", c), "save the file as UTF-8");
      return false;
    }
    if (c == '\t') {
      problems.add(here(1), "expected spaces, found a tab", "replace it by spaces; inside double quotes \\t is a tab");
      return false;
    }
    if ((c < 0x20 && c != '\n' && !(c == '\r' && i + 1 < text.size() && text[i + 1] == '\n')) || c == 0x7F) {
      problems.add(here(1), fmt::format("expected text, found the control character 0x{:02x}", c));
      return false;
    }
    i += n;
    column += static_cast<int>(n);
    if (c == '\n') ++line, column = 1;
  }
  return true;
}

Node read(const std::string& text, std::optional<int> argument, Problems& problems) {
  if (text.size() > most_bytes) {
    problems.add({}, fmt::format("expected at most {} bytes, found {}", most_bytes, text.size()));
    return {};
  }
  if (!check_bytes(text, argument, problems)) return {};
  Builder builder(problems, argument);
  parse(text, builder, argument, problems);
  return std::move(builder.root);
}

}  // namespace

Node read_yaml(const std::string& text, Problems& problems) { return read(text, std::nullopt, problems); }

Node read_flow(const std::string& text, int argument, Problems& problems) { return read(text, argument, problems); }

}  // namespace plumb::config
