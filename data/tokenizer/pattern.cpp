#include "data/tokenizer/pattern.h"

#include <fmt/format.h>

#include "core/error.h"
#include "data/tokenizer/code_points.h"
#include "data/tokenizer/oniguruma.h"
#include "data/tokenizer/unicode.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <map>
#include <mutex>

namespace plumb::data {

namespace {

constexpr size_t kStackBytes = size_t{1} << 20;

}  // namespace

struct Pattern::State {
  pcre2_code* code = nullptr;
  std::string where;
  ~State() { pcre2_code_free(code); }
};

Pattern::Pattern(const std::string& expression, const std::string& where) : state_(std::make_unique<State>()) {
  state_->where = where;
  const std::string own = to_pcre2(expression, where);
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
  size_t at = 0, last_end = std::string_view::npos;
  while (at <= text.size()) {
    const auto match = [&](uint32_t options) {
      return pcre2_match(state_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                         PCRE2_NO_UTF_CHECK | options, workspace.data, workspace.context);
    };
    int count = match(0);
    // The interpreter goes back and forth on the heap, where there is more room than on the stack of compiled code.
    if (count == PCRE2_ERROR_JIT_STACKLIMIT) count = match(PCRE2_NO_JIT);
    if (count == PCRE2_ERROR_NOMATCH) break;
    if (count < 0) fail_input(state_->where, fmt::format("the pattern gave up on a text (PCRE2 error {})", count));
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(workspace.data);
    const size_t begin = range[0], end = range[1];
    if (begin == end && end == last_end) {  // no empty match directly behind a match
      at += at < text.size() ? decode_utf8(text.data() + at).size : 1;
      continue;
    }
    found.emplace_back(begin, end);
    at = last_end = end;
  }
  return found;
}

const CodePoints& pcre2_code_points(const std::string& name) {
  static std::mutex mutex;
  static std::map<std::string, CodePoints> known;
  const std::lock_guard lock(mutex);
  const auto [entry, fresh] = known.try_emplace(name);
  if (!fresh) return entry->second;
  int error = 0;
  PCRE2_SIZE offset = 0;
  const std::string expression = "\\p{" + name + "}+";
  const std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(), PCRE2_UTF | PCRE2_UCP, &error,
                    &offset, nullptr),
      &pcre2_code_free);
  if (!code) return entry->second;
  std::string all;
  for (uint32_t c = 0; c <= CodePoints::kLast; ++c)
    if (c < 0xD800 || c > 0xDFFF) append_utf8(c, all);
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(pcre2_match_data_create(1, nullptr),
                                                                                 &pcre2_match_data_free);
  for (size_t at = 0; at < all.size();) {
    if (pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(all.data()), all.size(), at, PCRE2_NO_UTF_CHECK,
                    data.get(), nullptr) < 0)
      break;
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(data.get());
    entry->second.add(decode_utf8(all.data() + range[0]).value,
                      decode_utf8_before(all.data(), all.data() + range[1]).value);
    at = range[1];
  }
  return entry->second;
}

}  // namespace plumb::data
