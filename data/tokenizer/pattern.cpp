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

std::string class_ranges(uint8_t bit) {
  std::string ranges;
  uint32_t first = 0, last = 0;
  bool open = false;
  const auto flush = [&] {
    if (open) ranges += fmt::format("\\x{{{:x}}}-\\x{{{:x}}}", first, last);
  };
  for (size_t i = 0; i < kUnicodeRangeCount; ++i) {
    const auto& range = kUnicodeRanges[i];
    if (!(range.bits & bit)) continue;
    if (open && range.first == last + 1) {
      last = range.last;
      continue;
    }
    flush();
    first = range.first;
    last = range.last;
    open = true;
  }
  flush();
  return ranges;
}

const std::string& ranges_of(char name) {
  static const std::string letters = class_ranges(kLetter), numbers = class_ranges(kNumber),
                           marks = class_ranges(kMark);
  return name == 'L' ? letters : name == 'N' ? numbers : marks;
}

}  // namespace

std::string with_own_classes(std::string_view expression) {
  std::string result;
  bool in_class = false;
  for (size_t at = 0; at < expression.size(); ++at) {
    const char c = expression[at];
    if (c == '\\' && at + 1 < expression.size()) {
      const std::string_view rest = expression.substr(at);
      const bool known =
          rest.size() >= 5 && rest[2] == '{' && rest[4] == '}' && (rest[3] == 'L' || rest[3] == 'N' || rest[3] == 'M');
      if (known && rest[1] == 'p') {
        result += in_class ? ranges_of(rest[3]) : "[" + ranges_of(rest[3]) + "]";
        at += 4;
      } else if (known && rest[1] == 'P' && !in_class) {
        result += "[^" + ranges_of(rest[3]) + "]";
        at += 4;
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
