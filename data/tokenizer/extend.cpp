#include "data/tokenizer/extend.h"

#include <algorithm>
#include <map>
#include <queue>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "core/json.h"
#include "data/tokenizer/tokenizer_json.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {

namespace {

using Pair = std::pair<int32_t, int32_t>;

struct Word {
  std::vector<int32_t> ids;
  int64_t count;
};

struct Join {
  int32_t left, right;
};

// The most frequent pairs of neighbours, one after the other; of equally frequent ones the smaller ids.
class PairCounts {
 public:
  explicit PairCounts(std::vector<Word> words) : words_(std::move(words)) {
    for (size_t w = 0; w < words_.size(); ++w) count(w, 1);
    for (const auto& [pair, n] : counts_) queue_.push({n, pair});
  }

  bool top(Pair& pair) {
    while (!queue_.empty()) {
      const Candidate candidate = queue_.top();
      const int64_t now = counts_[candidate.pair];
      if (now == candidate.count && now >= 2) {
        pair = candidate.pair;
        return true;
      }
      queue_.pop();
      if (now >= 2 && now < candidate.count) queue_.push({now, candidate.pair});
    }
    return false;
  }
  void skip() { queue_.pop(); }

  void join(Pair pair, int32_t result) {
    const auto places = std::move(words_of_[pair]);
    words_of_.erase(pair);
    changed_.clear();
    for (const size_t w : places) {
      count(w, -1);
      auto& ids = words_[w].ids;
      size_t kept = 0;
      for (size_t i = 0; i < ids.size(); ++kept) {
        const bool here = i + 1 < ids.size() && ids[i] == pair.first && ids[i + 1] == pair.second;
        ids[kept] = here ? result : ids[i];
        i += here ? 2 : 1;
      }
      ids.resize(kept);
      count(w, 1);
    }
    for (const Pair& each : changed_)
      if (const int64_t n = counts_[each]; n >= 2) queue_.push({n, each});
  }

 private:
  struct Candidate {
    int64_t count;
    Pair pair;
    bool operator<(const Candidate& other) const {
      return count != other.count ? count < other.count : pair > other.pair;
    }
  };
  void count(size_t w, int64_t sign) {
    const Word& word = words_[w];
    for (size_t i = 0; i + 1 < word.ids.size(); ++i) {
      const Pair pair{word.ids[i], word.ids[i + 1]};
      counts_[pair] += sign * word.count;
      if (sign > 0) words_of_[pair].insert(w);
      changed_.insert(pair);
    }
  }

  std::vector<Word> words_;
  std::map<Pair, int64_t> counts_;
  std::map<Pair, std::set<size_t>> words_of_;  // may name words that lost the pair
  std::set<Pair> changed_;
  std::priority_queue<Candidate> queue_;
};

constexpr const char* kHint = "tokenizers of the kind of GPT-2, Llama-3 and Qwen can be extended";

// In a few words what a tokenizer.json is that cannot be extended.
std::string kind_of(const nlohmann::ordered_json& json) {
  const auto model = json.value("model", nlohmann::ordered_json::object());
  const std::string type = model.value("type", "BPE");
  if (type != "BPE") return type;
  const auto fallback = model.find("byte_fallback");
  const bool falls_back = fallback != model.end() && fallback->is_boolean() && fallback->get<bool>();
  return falls_back ? "a SentencePiece BPE (byte_fallback), as of Llama-2" : "a BPE over characters";
}

}  // namespace

struct VocabularyExtender::State {
  TokenizerPtr base;
  int64_t wanted = 0;
  nlohmann::ordered_json json;
  std::unique_ptr<BpeModel> model;
  PreTokenizer pre_tokenizer;
  std::vector<AddedToken> added;
  AddedTokenMatcher raw, normalized;
  bool nfc = false;
  std::unordered_map<std::string, int64_t> pieces;

  std::vector<Word> words() const;
  // Adds the joins to the tokenizer.json; `texts` are those of the new tokens.
  TokenizerPtr write(const std::vector<Join>& joins, const std::vector<std::string>& texts);
};

VocabularyExtender::VocabularyExtender(TokenizerPtr base, int64_t tokens) : state_(std::make_unique<State>()) {
  State& s = *state_;
  const std::string where = "tokenizer.extend";
  if (tokens < 1 || tokens > INT32_MAX / 2) fail_input(where, "expected at least one new token");
  s.base = std::move(base);
  s.wanted = tokens;
  s.json = core::parse_json(s.base->json(), "tokenizer.json");
  const JsonPlace root(s.json, "tokenizer.json");
  if (!has_fast_form(root)) fail_input(where, "expected a byte-level BPE tokenizer, found " + kind_of(s.json), kHint);
  s.nfc = root.find("normalizer").has_value();
  ModelAndIds base_model = read_bpe_model(root.at("model"));
  s.model = std::move(base_model.model);
  // The bytes tokenizer does not cut texts. Without merges cuts change no id, and without cuts new tokens would reach
  // over words.
  if (auto& cuts = s.json["pre_tokenizer"]; !s.model->has_merges() && cuts.contains("use_regex"))
    cuts["use_regex"] = true;
  read_pre_tokenizer(root.at("pre_tokenizer"), s.pre_tokenizer);
  if (const auto added = root.find("added_tokens"))
    s.added = read_added_tokens(
        *added, [&](std::string_view text) { return s.model->id(text); }, base_model.entries);
  for (const AddedToken& token : s.added) {
    std::string normal;
    const bool changes = token.normalized && s.nfc && normalize_nfc(token.content, normal);
    (token.normalized ? s.normalized : s.raw).add(token, changes ? normal : token.content);
  }
}

VocabularyExtender::~VocabularyExtender() = default;

void VocabularyExtender::add(std::string_view document) {
  State& s = *state_;
  std::string repaired, normal;
  if (!is_valid_utf8(document)) document = repaired = repair_utf8(document);
  std::vector<AddedTokenMatcher::Piece> outer, inner;
  s.raw.split(document, true, outer, nullptr);
  for (const auto& piece : outer) {
    if (piece.id >= 0) continue;
    std::string_view text = piece.text;
    if (s.nfc && normalize_nfc(text, normal)) text = normal;
    inner.clear();
    s.normalized.split(text, true, inner, nullptr);
    for (const auto& part : inner) {
      if (part.id >= 0) continue;
      s.pre_tokenizer.split(part.text, [&](const PieceRuns& run) {
        run.each([&](const char* begin, const char* end) { ++s.pieces[std::string(begin, end)]; });
      });
    }
  }
}

std::vector<Word> VocabularyExtender::State::words() const {
  std::map<std::vector<int32_t>, int64_t> counted;
  std::vector<int32_t> ids;
  for (const auto& [piece, count] : pieces) {
    ids.clear();
    model->encode(piece, ids);
    if (ids.size() > 1) counted[ids] += count;
  }
  std::vector<Word> result;
  for (const auto& [word, count] : counted) result.push_back({word, count});
  return result;
}

VocabularyExtension VocabularyExtender::extend() {
  State& s = *state_;
  VocabularyExtension extension;
  extension.first_new = s.base->vocab_size();
  std::vector<Join> joins;
  std::vector<std::string> texts;
  const auto text_of = [&](int32_t id) {
    return id < extension.first_new ? s.model->tokens()[static_cast<size_t>(id)]
                                    : texts[static_cast<size_t>(id - extension.first_new)];
  };
  const auto append_pieces = [&](int32_t id, std::vector<int32_t>& pieces) {
    if (id < extension.first_new) return pieces.push_back(id);
    const auto& known = extension.old_pieces[static_cast<size_t>(id - extension.first_new)];
    pieces.insert(pieces.end(), known.begin(), known.end());
  };
  PairCounts counts(s.words());
  std::unordered_set<std::string> taken;
  for (const AddedToken& token : s.added) taken.insert(token.content);
  for (Pair pair; static_cast<int64_t>(joins.size()) < s.wanted;) {
    if (!counts.top(pair))
      fail_input("tokenizer.extend.tokens",
                 fmt::format("expected texts for {} new tokens, found pairs for {}", s.wanted, joins.size()),
                 "give more text, or fewer tokens");
    std::string text = text_of(pair.first) + text_of(pair.second);
    if (s.model->id(text) >= 0 || !taken.insert(text).second) {  // the vocabulary has it, but not by merges
      counts.skip();
      continue;
    }
    const auto id = static_cast<int32_t>(extension.first_new + static_cast<int64_t>(joins.size()));
    std::vector<int32_t> pieces;
    append_pieces(pair.first, pieces);
    append_pieces(pair.second, pieces);
    extension.old_pieces.push_back(std::move(pieces));
    joins.push_back({pair.first, pair.second});
    texts.push_back(std::move(text));
    counts.join(pair, id);
  }
  extension.tokenizer = s.write(joins, texts);
  return extension;
}

TokenizerPtr VocabularyExtender::State::write(const std::vector<Join>& joins, const std::vector<std::string>& texts) {
  const auto first_new = static_cast<size_t>(base->vocab_size());
  auto& vocabulary = json["model"]["vocab"].get_ref<nlohmann::ordered_json::object_t&>();
  // Added tokens stand in the vocabulary too, so that they keep their ids before the new ones.
  for (const AddedToken& token : added)
    if (model->id(token.content) < 0) vocabulary.push_back({token.content, token.id});
  auto& merges = json["model"]["merges"];
  const bool lines = !merges.empty() && merges[0].is_string();
  const auto text_of = [&](int32_t id) {
    const auto at = static_cast<size_t>(id);
    return at < first_new ? model->tokens()[at] : texts[at - first_new];
  };
  for (size_t i = 0; i < joins.size(); ++i) {
    const std::string left = text_of(joins[i].left), right = text_of(joins[i].right);
    vocabulary.push_back({texts[i], first_new + i});
    if (lines)
      merges.push_back(left + " " + right);
    else
      merges.push_back({left, right});
  }
  const auto& file = dynamic_cast<const FileTokenizer&>(*base);
  const auto name = [&](std::optional<int32_t> id) { return id ? file.token_text(*id) : std::string(); };
  const SpecialTokens specials{.bos = name(base->bos()), .eos = name(base->eos()), .pad = name(base->pad())};
  return tokenizer_of_json(json.dump(), "tokenizer.json", specials, UsualNames::none, "tokenizer.extend",
                           file.other_roles());
}

}  // namespace plumb::data
