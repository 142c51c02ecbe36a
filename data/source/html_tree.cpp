#include "data/source/html_tree.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <csetjmp>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "core/error.h"

namespace plumb::data {

namespace {

constexpr size_t kChunk = size_t{256} << 10;
constexpr size_t kMostMemory = size_t{2} << 30;
constexpr size_t kMemoryPerByte = 128;  // ordinary pages take 5 to 20
constexpr size_t kLeastMemory = size_t{32} << 20;
constexpr std::chrono::seconds kLongest{30};  // of this thread's processor: a busy machine decides nothing

std::chrono::nanoseconds used_time() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// All memory of one tree, given back at once: gumbo's own way back walks the tree by recursion. It has no way to fail
// either, so a page that asks for too much is left by a jump; there is nothing of C++ between the two ends of it.
class Arena {
 public:
  explicit Arena(size_t limit) : limit_(limit), deadline_(used_time() + kLongest) {}
  ~Arena() {
    for (void* chunk : chunks_) std::free(chunk);
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  void* take(size_t size) {
    size = (size + 15) & ~size_t{15};
    if (size > left_) refill(size);
    char* const at = next_;
    next_ += size, left_ -= size;
    return at;
  }
  size_t used() const { return used_; }
  bool late() const { return late_; }
  std::jmp_buf& way_out() { return way_out_; }

 private:
  void refill(size_t size) {
    const size_t wanted = std::max(size, kChunk);
    late_ = used_time() > deadline_;
    if (late_ || wanted > limit_ - std::min(limit_, used_) || count_ == chunks_.size()) std::longjmp(way_out_, 1);
    void* chunk = std::malloc(wanted);
    if (!chunk) std::longjmp(way_out_, 1);
    chunks_[count_++] = chunk;
    used_ += wanted, next_ = static_cast<char*>(chunk), left_ = wanted;
  }

  size_t limit_, used_ = 0, left_ = 0, count_ = 0;
  char* next_ = nullptr;
  bool late_ = false;
  std::chrono::nanoseconds deadline_;
  std::array<void*, 8192> chunks_{};  // fixed: a vector that grows would be left half-way by the jump
  std::jmp_buf way_out_;
};

void* take(void* arena, size_t size) { return static_cast<Arena*>(arena)->take(size); }
void leave(void*, void*) {}

// Options of the same name came and went between versions of gumbo.
template <class Options>
Options options_for(Arena& arena) {
  Options options = kGumboDefaultOptions;
  if constexpr (requires { options.allocator; }) {
    options.allocator = &take, options.deallocator = &leave, options.userdata = &arena;
  }
  if constexpr (requires { options.max_errors; }) options.max_errors = 0;
  return options;
}

template <class Options, class Output>
void destroy(const Options& options, Output* output) {
  if constexpr (requires { options.allocator; }) {
    (void)output;  // goes with the arena
  } else if constexpr (requires { gumbo_destroy_output(&options, output); }) {
    gumbo_destroy_output(&options, output);
  } else {
    gumbo_destroy_output(output);
  }
}

GumboOutput* parse(Arena& arena, const GumboOptions& options, const char* text, size_t size) {
  if (setjmp(arena.way_out()) != 0) return nullptr;
  return gumbo_parse_with_options(&options, text, size);
}

// --- depth ---

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_gap(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }

template <size_t n>
bool contains(const std::array<std::string_view, n>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

constexpr std::array<std::string_view, 17> kVoid{"area",  "base",   "br",    "col",    "embed",  "frame",
                                                 "hr",    "img",    "input", "keygen", "link",   "meta",
                                                 "param", "source", "track", "wbr",    "bgsound"};
// Closed by the next of their kind, so that many of them in a row are no depth.
constexpr std::array<std::string_view, 19> kImplied{"p",  "li", "dt",    "dd",    "option", "optgroup", "tr",
                                                    "td", "th", "tbody", "thead", "tfoot",  "colgroup", "caption",
                                                    "rt", "rp", "rb",    "rtc",   "html"};
constexpr std::array<std::string_view, 8> kRawText{"script", "style",  "textarea", "title",
                                                   "xmp",    "iframe", "noembed",  "noframes"};

struct Tag {
  std::string name;  // lower case
  bool closing = false;
  size_t end = 0;  // behind ">"
};

// The tag at html[at] == '<'; false when it is none.
bool read_tag(std::string_view html, size_t at, Tag& tag) {
  size_t i = at + 1;
  tag.closing = i < html.size() && html[i] == '/';
  i += tag.closing;
  if (i >= html.size() || !is_letter(html[i])) return false;
  tag.name.clear();
  for (; i < html.size() && !is_gap(html[i]) && html[i] != '/' && html[i] != '>'; ++i) {
    if (tag.name.size() < 32) tag.name += html[i] >= 'A' && html[i] <= 'Z' ? static_cast<char>(html[i] + 32) : html[i];
  }
  char quote = 0;
  bool value = false;  // a quote opens only behind "="
  for (; i < html.size(); ++i) {
    const char c = html[i];
    if (quote) {
      if (c == quote) quote = 0;
    } else if (c == '>') {
      break;
    } else if (value && (c == '"' || c == '\'')) {
      quote = c, value = false;
    } else if (!is_gap(c)) {
      value = c == '=';
    }
  }
  tag.end = std::min(i + 1, html.size());
  return true;
}

// Where the raw text that a tag opens ends: at its closing tag.
size_t skip_raw(std::string_view html, size_t from, const std::string& name) {
  for (size_t at = html.find("</", from); at != std::string_view::npos; at = html.find("</", at + 2)) {
    if (at + 2 + name.size() > html.size()) break;
    const auto equal = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; };
    if (std::equal(name.begin(), name.end(), html.begin() + static_cast<std::ptrdiff_t>(at) + 2,
                   [&](char b, char a) { return equal(a, b); })) {
      return at;
    }
  }
  return html.size();
}

}  // namespace

std::optional<std::string> limit_depth(std::string_view html) {
  std::vector<std::string> open;
  std::optional<std::string> out;
  size_t copied = 0;  // html up to here is in `out` or left out
  Tag tag;
  for (size_t at = html.find('<'); at != std::string_view::npos; at = html.find('<', at)) {
    if (html.compare(at, 4, "<!--") == 0) {
      const size_t end = html.find("-->", at + 4);
      if (end == std::string_view::npos) break;
      at = end;
      continue;
    }
    if (!read_tag(html, at, tag)) {
      ++at;
      continue;
    }
    const size_t begin = at;
    at = tag.end;
    if (contains(kVoid, tag.name) || contains(kImplied, tag.name)) continue;
    if (tag.closing) {
      const auto match = std::find(open.rbegin(), open.rend(), tag.name);
      if (match != open.rend()) open.erase(match.base() - 1, open.end());
    } else if (contains(kRawText, tag.name)) {
      at = skip_raw(html, at, tag.name);
    } else if (open.size() < kDeepestTree) {
      open.push_back(tag.name);
    } else {
      if (!out) out.emplace();
      out->append(html.substr(copied, begin - copied)).append(" ");
      copied = tag.end;
    }
  }
  if (out) out->append(html.substr(copied));
  return out;
}

struct HtmlTree::State {
  explicit State(size_t limit) : arena(limit) {}
  Arena arena;
  std::optional<std::string> limited;
  GumboOptions options{};
  GumboOutput* output = nullptr;
};

HtmlTree::HtmlTree(std::string_view html)
    : state_(std::make_unique<State>(std::min(kMostMemory, kLeastMemory + html.size() * kMemoryPerByte))) {
  state_->limited = limit_depth(html);
  if (state_->limited) html = *state_->limited;
  state_->options = options_for<GumboOptions>(state_->arena);
  state_->output = parse(state_->arena, state_->options, html.data(), html.size());
  if (!state_->output) {
    fail_input("", state_->arena.late() ? "HTML that takes more than 30 s to parse"
                                        : "HTML whose tree takes more memory than a page of its size should");
  }
}

HtmlTree::~HtmlTree() { destroy(state_->options, state_->output); }

const GumboNode* HtmlTree::root() const { return state_->output->root; }
size_t HtmlTree::bytes() const { return state_->arena.used(); }

}  // namespace plumb::data
