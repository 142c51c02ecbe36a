#include "data/tokenizer/pattern.h"

#include <fmt/format.h>

#include "core/error.h"
#include "data/tokenizer/unicode.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

namespace plumb::data {

namespace {

constexpr size_t kStackBytes = size_t{1} << 20;

// What stands inside [] for the characters that have the bit, or for all others.
std::string class_ranges(uint8_t bit, bool others) {
  std::string ranges;
  uint32_t from = 0;  // first character whose side is not written yet
  const auto write = [&](uint32_t first, uint32_t last) {
    ranges += fmt::format("\\x{{{:x}}}-\\x{{{:x}}}", first, last);
  };
  for (size_t i = 0; i < kUnicodeRangeCount; ++i) {
    const auto& range = kUnicodeRanges[i];
    if (!(range.bits & bit)) continue;
    if (!others) write(range.first, range.last);
    if (others && range.first > from) write(from, range.first - 1);
    from = range.last + 1;
  }
  if (others) write(from, 0x10FFFF);
  return ranges;
}

// The class that starts at `rest`: \p{L} \P{N} \s ...; 0 if it is none of ours.
struct OwnClass {
  uint8_t bit = 0;
  bool others = false;
  size_t length = 0;
};
OwnClass own_class(std::string_view rest) {
  if (rest.size() >= 2 && (rest[1] == 's' || rest[1] == 'S')) return {kSpace, rest[1] == 'S', 2};
  const bool property = rest.size() >= 5 && (rest[1] == 'p' || rest[1] == 'P') && rest[2] == '{' && rest[4] == '}';
  if (!property) return {};
  const uint8_t bit = rest[3] == 'L' ? kLetter : rest[3] == 'N' ? kNumber : rest[3] == 'M' ? kMark : 0;
  return {bit, rest[1] == 'P', 5};
}

}  // namespace

std::string with_own_classes(std::string_view expression) {
  std::string result;
  bool in_class = false;
  for (size_t at = 0; at < expression.size(); ++at) {
    const char c = expression[at];
    if (c == '\\' && at + 1 < expression.size()) {
      const std::string_view rest = expression.substr(at);
      const OwnClass own = own_class(rest);
      if (own.bit != 0) {
        const std::string ranges = class_ranges(own.bit, own.others);
        result += in_class ? ranges : "[" + ranges + "]";
        at += own.length - 1;
      } else {
        result.append(rest.substr(0, 2));
        ++at;
      }
      continue;
    }
    if (c == '[' && !in_class) {
      in_class = true;
      result += c;
      if (at + 1 < expression.size() && expression[at + 1] == '^') result += expression[++at];
      continue;
    }
    if (c == ']' && in_class) in_class = false;
    result += c;
  }
  return result;
}

struct Pattern::State {
  pcre2_code* code = nullptr;
  std::string where;
  ~State() { pcre2_code_free(code); }
};

Pattern::Pattern(const std::string& expression, const std::string& where) : state_(std::make_unique<State>()) {
  state_->where = where;
  // Oniguruma reads && inside [] as an intersection and [[ as a nested class; PCRE2 takes both literally.
  for (const char* other : {"&&", "[[", "\\h", "\\H", "\\O", "\\y", "\\Y", "\\K"}) {
    if (expression.find(other) != std::string::npos && std::string_view(expression).find("[[:") == std::string::npos)
      fail_input(where, fmt::format("the pattern uses {}, which is not supported", other), "pattern: " + expression);
  }
  const std::string own = with_own_classes(expression);
  int error = 0;
  PCRE2_SIZE offset = 0;
  state_->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(own.data()), own.size(), PCRE2_UTF | PCRE2_UCP, &error,
                               &offset, nullptr);
  if (!state_->code) {
    std::array<PCRE2_UCHAR, 256> text{};
    pcre2_get_error_message(error, text.data(), text.size());
    fail_input(where, fmt::format("the pattern is not understood: {}", reinterpret_cast<const char*>(text.data())),
               "pattern: " + expression);
  }
  pcre2_jit_compile(state_->code, PCRE2_JIT_COMPLETE);  // without JIT (some machines) matching is slower, not different
}

Pattern::~Pattern() = default;

namespace {

// Match data, limits and the JIT's stack of one thread.
struct Workspace {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(32 * 1024, kStackBytes, nullptr);
  Workspace() {
    if (!data || !context || !stack) throw std::bad_alloc();
    pcre2_jit_stack_assign(context, nullptr, stack);
  }
  Workspace(const Workspace&) = delete;
  ~Workspace() {
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
  }
};

}  // namespace

std::vector<std::pair<size_t, size_t>> Pattern::matches(std::string_view text) const {
  thread_local Workspace workspace;
  std::vector<std::pair<size_t, size_t>> found;
  size_t at = 0;
  while (at <= text.size()) {
    const int count = pcre2_match(state_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                                  PCRE2_NO_UTF_CHECK, workspace.data, workspace.context);
    if (count == PCRE2_ERROR_NOMATCH) break;
    if (count < 0) fail_input(state_->where, fmt::format("the pattern gave up on a text (PCRE2 error {})", count));
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(workspace.data);
    const size_t begin = range[0], end = range[1];
    found.emplace_back(begin, end);
    at = end;
    if (begin == end) at += end < text.size() ? decode_utf8(text.data() + end).size : 1;
  }
  return found;
}

}  // namespace plumb::data
