#include "data/text/segment.h"

#include "core/error.h"
#include "data/text/characters.h"
#include "data/text/dictionary.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {
namespace {

// ASCII letters, digits and underscore: any two of them are one word (WB5, 8, 9, 10, 13a, 13b).
constexpr std::array<bool, 256> word_bytes() {
  std::array<bool, 256> table{};
  for (int c = 0; c < 128; ++c)
    table[static_cast<size_t>(c)] =
        (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
  return table;
}
constexpr auto kWordBytes = word_bytes();

bool is_ignored(WordClass c) { return c == WordClass::extend || c == WordClass::format || c == WordClass::zwj; }
bool is_letter(WordClass c) { return c == WordClass::letter || c == WordClass::hebrew_letter; }

// One pass over the text; each call of word() goes past one segment of UAX 29, section 4.1.
class Words {
 public:
  Words(std::string_view text, std::vector<TextSpan>& spans) : text_(text), spans_(spans), table_(characters()) {}

  void run() {
    while (at_ < text_.size()) {
      const auto byte = static_cast<unsigned char>(text_[at_]);
      if (byte == ' ' && at_ + 1 < text_.size() && static_cast<unsigned char>(text_[at_ + 1]) < 0x80)
        ++at_;  // the usual case; in general a segment of white space
      else
        word();
    }
  }

 private:
  std::string_view text_;
  std::vector<TextSpan>& spans_;
  const CharacterTable& table_;
  size_t at_ = 0;
  WordClass base_ = WordClass::other;      // of the last character that WB4 does not pass over
  WordClass previous_ = WordClass::other;  // of the last character
  bool flag_open_ = false;                 // one regional indicator waits for its second
  bool white_ = true;                      // nothing but white space so far

  struct Seen {
    const Character* character;
    uint32_t size;
  };
  Seen look(size_t at) const {
    const CodePoint c = decode_utf8(text_.data() + at);
    return {&table_[c.value], c.size};
  }

  void take(const Seen& seen) {
    at_ += seen.size;
    previous_ = seen.character->word;
    if (!is_ignored(previous_)) base_ = previous_;
    white_ = white_ && (seen.character->flags & kIsSpace);
  }

  void word() {
    const size_t begin = at_;
    white_ = true;
    base_ = WordClass::other;
    const Seen first = look(at_);
    if (first.character->word == WordClass::dictionary || (first.character->flags & kIsComplexContext))
      return dictionary_run();
    take(first);
    flag_open_ = base_ == WordClass::regional_indicator;
    if (base_ == WordClass::cr || base_ == WordClass::lf || base_ == WordClass::newline) return;
    while (at_ < text_.size()) {
      if ((is_letter(base_) || base_ == WordClass::numeric || base_ == WordClass::extend_num_let) && ascii_run())
        continue;
      if (!extended()) break;
    }
    if (!white_) emit(begin, at_);
  }

  // Goes on over ASCII letters and digits at once; false when there are none.
  bool ascii_run() {
    const size_t begin = at_;
    while (at_ < text_.size() && kWordBytes[static_cast<unsigned char>(text_[at_])]) ++at_;
    if (at_ == begin) return false;
    const char last = text_[at_ - 1];
    base_ = last == '_' ? WordClass::extend_num_let : last <= '9' ? WordClass::numeric : WordClass::letter;
    previous_ = base_;
    white_ = false;
    return true;
  }

  // Takes the next character if no boundary stands before it.
  bool extended() {
    const Seen next = look(at_);
    const WordClass n = next.character->word;
    const bool after_joiner = previous_ == WordClass::zwj && (next.character->flags & kIsPictographic);  // WB3c
    const bool spaces = previous_ == WordClass::space && n == WordClass::space;                          // WB3d
    if (is_ignored(n) || after_joiner || spaces || joined(n)) {
      take(next);
      return true;
    }
    return over_middle(next);
  }

  bool joined(WordClass n) {
    switch (base_) {
      case WordClass::letter:
      case WordClass::hebrew_letter:
      case WordClass::numeric:
        return is_letter(n) || n == WordClass::numeric || n == WordClass::extend_num_let ||
               (base_ == WordClass::hebrew_letter && n == WordClass::single_quote && !letter_after(at_));  // WB7a
      case WordClass::katakana:
        return n == WordClass::katakana || n == WordClass::extend_num_let;
      case WordClass::extend_num_let:
        return is_letter(n) || n == WordClass::numeric || n == WordClass::extend_num_let || n == WordClass::katakana;
      case WordClass::regional_indicator: {
        const bool pair = flag_open_ && n == WordClass::regional_indicator;
        flag_open_ = false;
        return pair;
      }
      default:
        return false;
    }
  }

  // WB6, 7, 7b, 7c, 11, 12: a mark between two letters or two digits.
  bool over_middle(const Seen& mark) {
    const WordClass m = mark.character->word;
    const bool either = m == WordClass::mid_num_let || m == WordClass::single_quote;
    const size_t after = past_ignored(at_ + mark.size);
    if (after >= text_.size()) return false;
    const Seen next = look(after);
    const WordClass n = next.character->word;
    const bool letters = is_letter(base_) && (either || m == WordClass::mid_letter) && is_letter(n);
    const bool quoted =
        base_ == WordClass::hebrew_letter && m == WordClass::double_quote && n == WordClass::hebrew_letter;
    const bool digits = base_ == WordClass::numeric && (either || m == WordClass::mid_num) && n == WordClass::numeric;
    if (!letters && !quoted && !digits) return false;
    at_ = after;
    take(next);
    return true;
  }

  bool letter_after(size_t mark) const {
    const size_t after = past_ignored(mark + look(mark).size);
    return after < text_.size() && is_letter(look(after).character->word);
  }

  size_t past_ignored(size_t at) const {
    while (at < text_.size()) {
      const Seen next = look(at);
      if (!is_ignored(next.character->word)) break;
      at += next.size;
    }
    return at;
  }

  void dictionary_run() {
    const size_t begin = at_;
    while (at_ < text_.size()) {
      const Seen next = look(at_);
      if (next.character->word != WordClass::dictionary && !is_ignored(next.character->word)) break;
      at_ += next.size;
    }
    divide_by_dictionary(text_.substr(begin, at_ - begin),
                         [&](size_t from, size_t to) { emit(begin + from, begin + to); });
  }

  // White space that a combining mark made a part of the segment is not a part of the word.
  void emit(size_t begin, size_t end) {
    while (begin < end) {
      const Seen first = look(begin);
      if (!(first.character->flags & kIsSpace)) break;
      begin += first.size;
    }
    if (begin < end) spans_.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
  }
};

// Bytes at which a sentence may end, and all that are not ASCII.
constexpr std::array<bool, 256> stop_bytes() {
  std::array<bool, 256> table{};
  for (size_t c = 128; c < 256; ++c) table[c] = true;
  for (const char c : {'.', '!', '?', '\n', '\r'}) table[static_cast<size_t>(c)] = true;
  return table;
}
constexpr auto kStopBytes = stop_bytes();

bool is_separator(SentenceClass c) {
  return c == SentenceClass::separator || c == SentenceClass::cr || c == SentenceClass::lf;
}
bool is_term(SentenceClass c) { return c == SentenceClass::a_term || c == SentenceClass::s_term; }

// UAX 29, section 5.1.
class Sentences {
 public:
  Sentences(std::string_view text, std::vector<TextSpan>& spans) : text_(text), spans_(spans), table_(characters()) {}

  void run() {
    while (at_ < text_.size()) {
      if (!kStopBytes[static_cast<unsigned char>(text_[at_])]) {
        ++at_;
        continue;
      }
      const Seen seen = look(at_);
      if (is_separator(seen.character)) {
        past_separator();
        emit();
      } else if (is_term(seen.character)) {
        if (ends_at_term(seen)) emit();
      } else {
        at_ += seen.size;
      }
    }
    emit();
  }

 private:
  std::string_view text_;
  std::vector<TextSpan>& spans_;
  const CharacterTable& table_;
  size_t begin_ = 0, at_ = 0;

  struct Seen {
    SentenceClass character;
    uint32_t size;
  };
  Seen look(size_t at) const {
    const CodePoint c = decode_utf8(text_.data() + at);
    return {table_[c.value].sentence, c.size};
  }

  void past_separator() {
    const Seen seen = look(at_);
    at_ += seen.size;
    if (seen.character == SentenceClass::cr && at_ < text_.size() && text_[at_] == '\n') ++at_;  // SB3
  }

  void past_ignored() {  // SB5
    while (at_ < text_.size()) {
      const Seen next = look(at_);
      if (next.character != SentenceClass::extend) break;
      at_ += next.size;
    }
  }

  void past_all(SentenceClass wanted) {
    while (at_ < text_.size()) {
      const Seen next = look(at_);
      if (next.character != wanted) break;
      at_ += next.size;
      past_ignored();
    }
  }

  SentenceClass before(size_t at) const {
    while (at > begin_) {
      const CodePoint c = decode_utf8_before(text_.data() + begin_, text_.data() + at);
      const SentenceClass found = table_[c.value].sentence;
      if (found != SentenceClass::extend) return found;
      at -= c.size;
    }
    return SentenceClass::other;
  }

  // SB8: does a lower-case letter come before any other letter, end mark or line end?
  bool goes_on_in_lower_case() const {
    for (size_t at = at_; at < text_.size();) {
      const Seen next = look(at);
      if (next.character == SentenceClass::lower) return true;
      if (next.character == SentenceClass::upper || next.character == SentenceClass::letter ||
          is_separator(next.character) || is_term(next.character))
        return false;
      at += next.size;
    }
    return false;
  }

  // Goes past the end mark and what belongs to it; true when a boundary stands there.
  bool ends_at_term(const Seen& term) {
    const bool ambiguous = term.character == SentenceClass::a_term;
    const SentenceClass last = ambiguous ? before(at_) : SentenceClass::other;
    at_ += term.size;
    past_ignored();
    if (at_ >= text_.size()) return true;
    const SentenceClass next = look(at_).character;
    if (ambiguous && next == SentenceClass::numeric) return false;  // SB6
    if (ambiguous && next == SentenceClass::upper && (last == SentenceClass::upper || last == SentenceClass::lower))
      return false;  // SB7
    past_all(SentenceClass::close);
    past_all(SentenceClass::space);
    if (at_ >= text_.size()) return true;
    const SentenceClass after = look(at_).character;
    if (is_separator(after)) {
      past_separator();
      return true;
    }
    if (after == SentenceClass::s_continue || is_term(after)) return false;  // SB8a
    return !(ambiguous && goes_on_in_lower_case());
  }

  void emit() {
    const std::string_view all = text_.substr(begin_, at_ - begin_);
    const std::string_view sentence = strip(all);
    if (!sentence.empty()) {
      const auto begin = static_cast<uint32_t>(sentence.data() - text_.data());
      spans_.push_back({begin, static_cast<uint32_t>(begin + sentence.size())});
    }
    begin_ = at_;
  }
};

void check_size(std::string_view text) {
  if (text.size() > UINT32_MAX)
    fail_input("", "expected a document of less than 4 GiB, found one of " + std::to_string(text.size()) + " bytes",
               "cut it into several documents");
}

}  // namespace

void word_spans(std::string_view text, std::vector<TextSpan>& spans) {
  check_size(text);
  spans.clear();
  Words(text, spans).run();
}

void sentence_spans(std::string_view text, std::vector<TextSpan>& spans) {
  check_size(text);
  spans.clear();
  Sentences(text, spans).run();
}

bool is_punctuation_only(std::string_view text) {
  const CharacterTable& table = characters();
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(text.data() + at);
    if (!(table[c.value].flags & kIsPunctuation)) return false;
    at += c.size;
  }
  return true;
}

}  // namespace plumb::data
