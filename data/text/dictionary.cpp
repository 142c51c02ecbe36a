#include "data/text/dictionary.h"

#include <fmt/format.h>
#include <unicode/ubrk.h>
#include <unicode/utext.h>

#include <memory>

#include "core/error.h"

namespace plumb::data {
namespace {

void check(UErrorCode status, const char* what) {
  if (U_FAILURE(status)) fail_internal(fmt::format("ICU: {}: {}", what, u_errorName(status)));
}

struct Close {
  void operator()(UBreakIterator* iterator) const { ubrk_close(iterator); }
  void operator()(UText* text) const { utext_close(text); }
};

// An iterator is costly to make, cheap to point at another text, and belongs to one thread.
struct Iterator {
  std::unique_ptr<UBreakIterator, Close> breaks;
  std::unique_ptr<UText, Close> text;

  Iterator() {
    UErrorCode status = U_ZERO_ERROR;
    breaks.reset(ubrk_open(UBRK_WORD, "", nullptr, 0, &status));
    check(status, "word iterator");
  }

  void point_at(std::string_view run) {
    UErrorCode status = U_ZERO_ERROR;
    UText* opened = utext_openUTF8(text.get(), run.data(), static_cast<int64_t>(run.size()), &status);
    if (!text) text.reset(opened);
    check(status, "text");
    ubrk_setUText(breaks.get(), text.get(), &status);
    check(status, "text of the word iterator");
  }
};

}  // namespace

void divide_by_dictionary(std::string_view run, const std::function<void(size_t, size_t)>& take) {
  thread_local Iterator iterator;
  iterator.point_at(run);
  int32_t begin = ubrk_first(iterator.breaks.get());
  for (int32_t end = ubrk_next(iterator.breaks.get()); end != UBRK_DONE; end = ubrk_next(iterator.breaks.get())) {
    take(static_cast<size_t>(begin), static_cast<size_t>(end));
    begin = end;
  }
}

}  // namespace plumb::data
