#include "data/tokenizer/added_tokens.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <algorithm>
#include <bit>

#include "data/tokenizer/unicode.h"

namespace plumb::data {

void AddedTokenMatcher::add(const AddedToken& token, std::string_view text) {
  if (text.empty()) return;
  int32_t node = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    int32_t next = child(node, byte);
    if (next < 0) {
      next = static_cast<int32_t>(nodes_.size());
      nodes_[static_cast<size_t>(node)].children.emplace_back(byte, next);
      nodes_.emplace_back();
    }
    node = next;
  }
  if (nodes_[static_cast<size_t>(node)].token >= 0) return;  // the first of two equal texts counts
  nodes_[static_cast<size_t>(node)].token = static_cast<int32_t>(tokens_.size());
  tokens_.push_back(token);
  const auto byte = static_cast<unsigned char>(text[0]);
  if (text.size() == 1) {
    first_[byte] = 2;
    single_bytes_ = true;
  } else {
    const auto same = [&](const Start& s) { return s.first[0] == text[0] && s.second[0] == text[1]; };
    if (std::none_of(starts_.begin(), starts_.end(), same)) {
      starts_.emplace_back();
      starts_.back().first.fill(text[0]);
      starts_.back().second.fill(text[1]);
    }
    first_[byte] = std::max<uint8_t>(first_[byte], 1);
    const unsigned pair = byte * 256u + static_cast<unsigned char>(text[1]);
    pairs_[pair / 8] |= static_cast<uint8_t>(1u << pair % 8);
  }
}

int32_t AddedTokenMatcher::child(int32_t node, unsigned char byte) const {
  for (const auto& [label, next] : nodes_[static_cast<size_t>(node)].children)
    if (label == byte) return next;
  return -1;
}

// Where a token may begin, from `from` on; the end of the text if nowhere. Nearly all text has none, and two bytes
// compared in many places at once say so.
size_t AddedTokenMatcher::candidate(std::string_view text, size_t from) const {
#if defined(__SSE2__)
  if (single_bytes_ || starts_.size() > kFewPairs) return from;
  const auto load = [](const char* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); };
  const auto places = [&](size_t at) {
    __m128i found = _mm_setzero_si128();
    for (const Start& start : starts_)
      found = _mm_or_si128(found, _mm_and_si128(_mm_cmpeq_epi8(load(text.data() + at), load(start.first.data())),
                                                _mm_cmpeq_epi8(load(text.data() + at + 1), load(start.second.data()))));
    return found;
  };
  for (; from + 65 <= text.size(); from += 64) {
    const __m128i half = _mm_or_si128(places(from), places(from + 16));
    if (_mm_movemask_epi8(_mm_or_si128(half, _mm_or_si128(places(from + 32), places(from + 48)))) != 0) break;
  }
  for (; from + 17 <= text.size(); from += 16)
    if (const int found = _mm_movemask_epi8(places(from)))
      return from + static_cast<size_t>(std::countr_zero(static_cast<unsigned>(found)));
#endif
  return from;
}

bool AddedTokenMatcher::find(std::string_view text, size_t from, Match& match) const {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  for (size_t at = candidate(text, from); at < text.size(); at = candidate(text, at + 1)) {
    const uint8_t kind = first_[p[at]];
    if (kind == 0) continue;
    if (kind == 1) {
      if (at + 1 >= text.size()) return false;
      const unsigned pair = p[at] * 256u + p[at + 1];
      if (!(pairs_[pair / 8] >> pair % 8 & 1)) continue;
    }
    int32_t node = 0, longest = -1;
    size_t end = at;
    for (size_t i = at; i < text.size(); ++i) {
      node = child(node, p[i]);
      if (node < 0) break;
      if (const int32_t token = nodes_[static_cast<size_t>(node)].token; token >= 0) {
        longest = token;
        end = i + 1;
      }
    }
    if (longest < 0) continue;
    match = {at, end, &tokens_[static_cast<size_t>(longest)]};
    return true;
  }
  return false;
}

namespace {

bool has(uint8_t bit, CodePoint c) { return (unicode_table().bits(c.value) & bit) != 0; }

size_t spaces_before(std::string_view text, size_t at) {
  while (at > 0) {
    const CodePoint c = decode_utf8_before(text.data(), text.data() + at);
    if (!has(kSpace, c)) break;
    at -= c.size;
  }
  return at;
}

size_t spaces_after(std::string_view text, size_t at) {
  while (at < text.size()) {
    const CodePoint c = decode_utf8(text.data() + at);
    if (!has(kSpace, c)) break;
    at += c.size;
  }
  return at;
}

bool inside_a_word(std::string_view text, size_t begin, size_t end) {
  return (begin > 0 && has(kWord, decode_utf8_before(text.data(), text.data() + begin))) ||
         (end < text.size() && has(kWord, decode_utf8(text.data() + end)));
}

}  // namespace

void AddedTokenMatcher::split(std::string_view text, bool specials_as_text, std::vector<Piece>& pieces,
                              int64_t* special_texts) const {
  size_t done = 0;
  Match match{};
  // The search goes on behind the token's own text even when it took white space behind it, and a match that is
  // discarded is not tried again in a shorter form: both as `tokenizers` does it.
  for (size_t from = 0; !tokens_.empty() && find(text, from, match); from = match.end) {
    const AddedToken& token = *match.token;
    if (specials_as_text && token.special) {
      if (special_texts) ++*special_texts;
      continue;
    }
    if (token.single_word && inside_a_word(text, match.begin, match.end)) continue;
    size_t begin = match.begin, end = match.end;
    if (token.lstrip) begin = std::max(spaces_before(text, begin), done);
    if (token.rstrip) end = spaces_after(text, end);
    if (begin >= end) continue;  // white space that the token before took
    if (begin > done) pieces.push_back({-1, text.substr(done, begin - done)});
    pieces.push_back({token.id, text.substr(begin, end - begin)});
    done = end;
  }
  if (done < text.size()) pieces.push_back({-1, text.substr(done)});
}

}  // namespace plumb::data
