#include "data/dedup/simple_words.h"

#include <unicode/ubrk.h>
#include <unicode/utext.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/error.h"
#include "data/dedup/simple_characters.h"

namespace plumb::data {
namespace {

constexpr size_t piece = 4096;                    // of a longer word, hashed piece by piece
constexpr size_t complex_run = size_t{16} << 10;  // bytes of a run given to the dictionary at once

// Collects the bytes of the words and hands on a hash of each.
class HashSink {
 public:
  explicit HashSink(std::vector<uint64_t>& hashes) : hashes_(hashes) {}
  void end_word(const char* bytes, size_t size, bool more) {
    hash_ = XXH3_64bits_withSeed(bytes, size, hash_);
    if (more) return;
    hashes_.push_back(hash_);
    hash_ = 0;
  }

 private:
  std::vector<uint64_t>& hashes_;
  uint64_t hash_ = 0;
};

class TextSink {
 public:
  explicit TextSink(std::vector<std::string>& words) : words_(words) {}
  void end_word(const char* bytes, size_t size, bool more) {
    word_.append(bytes, size);
    if (!more) words_.push_back(std::exchange(word_, {}));
  }

 private:
  std::vector<std::string>& words_;
  std::string word_;
};

// Word boundaries of a script without spaces; one iterator a thread, for opening one costs more than using it.
class Dictionary {
 public:
  Dictionary() {
    UErrorCode error = U_ZERO_ERROR;
    breaks_.reset(ubrk_open(UBRK_WORD, "", nullptr, 0, &error));
    check(error);
  }
  void boundaries(std::string_view run, std::vector<size_t>& ends) {
    ends.clear();
    UErrorCode error = U_ZERO_ERROR;
    UText text = UTEXT_INITIALIZER;
    utext_openUTF8(&text, run.data(), static_cast<int64_t>(run.size()), &error);
    ubrk_setUText(breaks_.get(), &text, &error);
    check(error);
    for (int32_t end = ubrk_next(breaks_.get()); end != UBRK_DONE; end = ubrk_next(breaks_.get()))
      ends.push_back(static_cast<size_t>(end));
    utext_close(&text);
  }

 private:
  static void check(UErrorCode error) {
    if (U_FAILURE(error)) fail_internal(std::string("ICU cannot find words: ") + u_errorName(error));
  }
  struct Close {
    void operator()(UBreakIterator* it) const { ubrk_close(it); }
  };
  std::unique_ptr<UBreakIterator, Close> breaks_;
};

template <class Sink>
class Scanner {
 public:
  Scanner(std::string_view text, Sink& sink) : text_(text), sink_(sink), table_(SimpleCharacters::table()) {}

  void run() {
    const auto& ascii = table_.ascii();
    const auto* bytes = reinterpret_cast<const unsigned char*>(text_.data());
    const size_t size = text_.size();
    while (at_ < size) {
      const unsigned char simple = ascii[bytes[at_]];
      if (simple == 0) {
        end_word();
        ++at_;
      } else if (simple == 0xFF) {
        beyond_ascii();
      } else if (simple == '0') {
        number();
      } else {
        const size_t stop = std::min(size, at_ + (piece - std::min(piece, filled_)));
        unsigned char next = simple;
        do {
          word_[filled_++] = static_cast<char>(next);
        } while (++at_ < stop && (next = ascii[bytes[at_]]) >= 'a' && next <= 'z');
        if (filled_ >= piece) part_of_word();
      }
    }
    end_word();
  }

 private:
  void end_word() {
    if (filled_ == 0 && !open_) return;
    sink_.end_word(word_, filled_, false);
    filled_ = 0;
    open_ = false;
  }
  void part_of_word() {
    sink_.end_word(word_, filled_, true);
    filled_ = 0;
    open_ = true;
  }
  void put(const char* bytes, size_t size) {
    std::memcpy(word_ + filled_, bytes, size);
    filled_ += size;
    if (filled_ >= piece) part_of_word();
  }

  bool digit_at(size_t at) const {
    if (static_cast<unsigned char>(text_[at]) < 128) return text_[at] >= '0' && text_[at] <= '9';
    const auto found = decode_simple(text_, at);
    if (found.length == 0 || found.code_point >= SimpleCharacters::tabulated) return false;
    return table_[found.code_point].kind == SimpleClass::digit;
  }
  void skip_digits() {
    while (at_ < text_.size() && digit_at(at_)) at_ += decode_simple(text_, at_).length;
  }
  // Digits, once a decimal separator and digits: one 0.
  void number() {
    put("0", 1);
    skip_digits();
    const auto found = at_ < text_.size() ? decode_simple(text_, at_) : SimpleDecoded{0, 0};
    switch (found.code_point) {
      case '.':
      case ',':
      case 0x60C:
      case 0x66B:
      case 0x2396:
      case 0x2397:
      case 0x2398:
        if (at_ + found.length < text_.size() && digit_at(at_ + found.length)) {
          at_ += found.length;
          skip_digits();
        }
        break;
      default:
        break;
    }
  }

  void beyond_ascii() {
    const auto found = decode_simple(text_, at_);
    if (found.length == 0) {  // not UTF-8
      end_word();
      ++at_;
      return;
    }
    const bool tabulated = found.code_point < SimpleCharacters::tabulated;
    const auto* entry = tabulated ? &table_[found.code_point] : nullptr;
    const char* bytes = entry ? table_.bytes(*entry) : text_.data() + at_;
    const size_t size = entry ? entry->length : found.length;
    switch (entry ? entry->kind : table_.beyond(found.code_point)) {
      case SimpleClass::separator:
        end_word();
        break;
      case SimpleClass::letter:
        put(bytes, size);
        break;
      case SimpleClass::single:
        end_word();
        put(bytes, size);
        end_word();
        break;
      case SimpleClass::digit:
        return number();
      case SimpleClass::complex:
        end_word();
        return complex();
      case SimpleClass::nothing:
        break;
    }
    at_ += found.length;
  }

  // A run of one of the scripts without spaces, its marks included.
  void complex() {
    const size_t begin = at_;
    while (at_ < text_.size() && at_ - begin < complex_run) {
      const auto found = decode_simple(text_, at_);
      if (found.length == 0 || found.code_point >= SimpleCharacters::tabulated) break;
      const auto kind = table_[found.code_point].kind;
      if (kind != SimpleClass::complex && kind != SimpleClass::nothing) break;
      at_ += found.length;
    }
    static thread_local Dictionary dictionary;
    static thread_local std::vector<size_t> ends;
    dictionary.boundaries(text_.substr(begin, at_ - begin), ends);
    size_t at = begin;
    for (const size_t end : ends) {
      while (at < begin + end) {
        const auto found = decode_simple(text_, at);
        const auto& entry = table_[found.code_point];
        if (entry.kind == SimpleClass::complex) put(table_.bytes(entry), entry.length);
        at += found.length;
      }
      end_word();
    }
  }

  std::string_view text_;
  Sink& sink_;
  const SimpleCharacters& table_;
  size_t at_ = 0, filled_ = 0;
  bool open_ = false;       // earlier pieces of this word went to the sink
  char word_[piece + 256];  // the longest simplified character fits behind a piece
};

}  // namespace

void simple_word_hashes(std::string_view text, std::vector<uint64_t>& hashes) {
  hashes.clear();
  HashSink sink(hashes);
  Scanner(text, sink).run();
}

std::vector<std::string> simple_words(std::string_view text) {
  std::vector<std::string> words;
  TextSink sink(words);
  Scanner(text, sink).run();
  return words;
}

}  // namespace plumb::data
