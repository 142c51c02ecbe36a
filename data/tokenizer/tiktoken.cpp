// tiktoken's files of ranks. A rank is the order in which two neighbours become one token, and the token's id.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "data/tokenizer/byte_level.h"
#include "data/tokenizer/charsmap.h"
#include "data/tokenizer/json_place.h"
#include "data/tokenizer/model_files.h"
#include "data/tokenizer/scanner.h"
#include "data/tokenizer/tokenizer_json.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {

namespace {

using Json = nlohmann::ordered_json;
using Ranks = std::unordered_map<std::string_view, int64_t>;
using Specials = std::vector<std::pair<std::string, int64_t>>;

constexpr size_t kMostRanks = size_t{1} << 21, kLongestToken = 1 << 12;

constexpr std::string_view kO200kPattern =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// As tiktoken writes what stands above and in scanner.h. Its engine takes {n,m}+ for possessive and $ for the end of
// the text, Oniguruma, whose patterns a tokenizer.json holds, for a repetition of {n,m} and the end of a line.
const std::pair<std::string_view, const std::string_view&> kInTiktoken[] = {
    {R"('(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s)", kGpt2Pattern},
    {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s)",
     kCl100kPattern}};

// Encodings by the name of their file and the number of their ranks.
struct Published {
  std::string_view name;
  size_t ranks;
  std::string_view pattern;
  Specials special_tokens;
};

Specials numbered(int64_t first, std::initializer_list<const char*> names) {
  Specials result;
  for (const char* name : names) result.emplace_back(name, first++);
  return result;
}

Specials llama3_specials() {
  Specials result =
      numbered(128000, {"<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>",
                        "<|reserved_special_token_1|>", "<|finetune_right_pad_id|>", "<|reserved_special_token_2|>",
                        "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>", "<|python_tag|>"});
  for (int64_t i = 3; result.size() < 256; ++i)
    result.emplace_back(fmt::format("<|reserved_special_token_{}|>", i), 128000 + static_cast<int64_t>(result.size()));
  return result;
}

Specials qwen_specials() {
  Specials result = numbered(151643, {"<|endoftext|>", "<|im_start|>", "<|im_end|>"});
  for (int64_t i = 0; i < 205; ++i) result.emplace_back(fmt::format("<|extra_{}|>", i), 151646 + i);
  return result;
}

const std::vector<Published>& published() {
  static const std::vector<Published> list = {
      {"gpt2", 50256, kGpt2Pattern, {{"<|endoftext|>", 50256}}},
      {"r50k_base", 50256, kGpt2Pattern, {{"<|endoftext|>", 50256}}},
      {"p50k_base", 50280, kGpt2Pattern, {{"<|endoftext|>", 50256}}},
      {"cl100k_base",
       100256,
       kCl100kPattern,
       {{"<|endoftext|>", 100257},
        {"<|fim_prefix|>", 100258},
        {"<|fim_middle|>", 100259},
        {"<|fim_suffix|>", 100260},
        {"<|endofprompt|>", 100276}}},
      {"o200k_base", 199998, kO200kPattern, {{"<|endoftext|>", 199999}, {"<|endofprompt|>", 200018}}},
      {"tokenizer", 128000, kLlama3Pattern, llama3_specials()},  // Llama-3's tokenizer.model
      {"qwen", 151643, kQwen2Pattern, qwen_specials()},
  };
  return list;
}

std::vector<std::pair<std::string, int64_t>> read_ranks(std::string_view bytes, const std::string& file) {
  std::vector<std::pair<std::string, int64_t>> ranks;
  size_t number = 0;
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
    const std::string where = fmt::format("{}:{}", file, ++number);
    while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
    if (line.empty()) continue;
    const size_t space = line.find(' ');
    int64_t rank = -1;
    const std::string_view digits = space == std::string_view::npos ? "" : line.substr(space + 1);
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), rank);
    if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size() || rank < 0 || rank > INT32_MAX)
      fail_input(where, "expected a token in base64, a space and its rank, found another line");
    std::string token = decode_base64(line.substr(0, space), where);
    if (token.empty() || token.size() > kLongestToken)
      fail_input(where, fmt::format("expected a token of 1 to {} bytes, found {}", kLongestToken, token.size()));
    if (ranks.size() >= kMostRanks) fail_input(where, fmt::format("expected at most {} ranks", kMostRanks));
    ranks.emplace_back(std::move(token), rank);
  }
  return ranks;
}

// The two parts of which `token` is made last; {0} when it is not made of two. There is but one such pair: the merges
// inside a token do not depend on the text around it.
size_t last_cut(std::string_view token, const Ranks& ranks) {
  std::vector<size_t> starts;  // of the parts, and the end
  for (size_t i = 0; i <= token.size(); ++i) starts.push_back(i);
  const auto rank_at = [&](size_t i) {
    const size_t size = starts[i + 2] - starts[i];
    if (size == token.size()) return std::numeric_limits<int64_t>::max();
    const auto found = ranks.find(token.substr(starts[i], size));
    return found == ranks.end() ? std::numeric_limits<int64_t>::max() : found->second;
  };
  while (starts.size() > 3) {
    size_t best = 0;
    int64_t least = std::numeric_limits<int64_t>::max();
    for (size_t i = 0; i + 2 < starts.size(); ++i) {
      if (const int64_t rank = rank_at(i); rank < least) {
        least = rank;
        best = i;
      }
    }
    if (least == std::numeric_limits<int64_t>::max()) return 0;
    starts.erase(starts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  return starts.size() == 3 ? starts[1] : 0;
}

Json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

Json pre_tokenizer(const std::string& pattern) {
  if (pattern == kGpt2Pattern) return byte_level(true);
  Json split = {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
  return {{"type", "Sequence"}, {"pretokenizers", Json::array({split, byte_level(false)})}};
}

std::string pattern_of_tiktoken(const std::string& pattern, const std::string& where) {
  for (const auto& [theirs, ours] : kInTiktoken)
    if (pattern == theirs) return std::string(ours);
  bool escaped = false, in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (escaped || c == '\\') {
      const bool named = escaped && std::string_view("pPxN").find(c) != std::string_view::npos;  // \p{L}: no count
      if (named && pattern.compare(i + 1, 1, "{") == 0) i = std::min(pattern.find('}', i), pattern.size() - 1);
      escaped = !escaped;
      continue;
    }
    in_class = c == '[' || (in_class && c != ']');
    if (in_class) continue;
    const bool possessive = c == '}' && i + 1 < pattern.size() && pattern[i + 1] == '+';
    if (c != '$' && c != '^' && !possessive) continue;
    fail_input(where,
               fmt::format("expected a pattern that every engine reads alike, found \"{}\" at character {}",
                           possessive ? "}+" : std::string(1, c), i),
               "write \\z for $ (the end of the text), \\A for ^, and (?>X{n,m}) for X{n,m}+");
  }
  return pattern;
}

// "pattern" and "special_tokens" of the file beside; what it leaves out stays.
void read_beside(const std::filesystem::path& file, TiktokenEncoding& encoding) {
  const auto json = core::parse_json_file(file, uint64_t{16} << 20);
  const JsonPlace root(json, file.string());
  encoding.pattern = pattern_of_tiktoken(root.at("pattern").text(), file.string());
  if (const auto specials = root.find("special_tokens")) {
    encoding.special_tokens.clear();
    for (const auto& [text, id] : specials->object().value().items())
      encoding.special_tokens.emplace_back(text, specials->member(text, id).integer(0, INT32_MAX));
  }
}

}  // namespace

bool looks_like_tiktoken(std::string_view bytes) {
  const std::string_view line = bytes.substr(0, std::min<size_t>(bytes.find('\n'), 200));
  const size_t space = line.find(' ');
  if (space == std::string_view::npos || space == 0 || space + 1 >= line.size()) return false;
  const auto base64 = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/' ||
           c == '=';
  };
  return std::all_of(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(space), base64) &&
         line[space + 1] >= '0' && line[space + 1] <= '9';
}

std::string tiktoken_json(const TiktokenEncoding& encoding, const std::string& where) {
  Ranks ranks;
  for (const auto& [token, rank] : encoding.ranks)
    if (!ranks.emplace(token, rank).second) fail_input(where, "expected each token once, found one again");
  for (int byte = 0; byte < 256; ++byte)
    if (!ranks.count(std::string(1, static_cast<char>(byte))))
      fail_input(where, fmt::format("expected a rank for every byte, found none for {:#04x}", byte));
  auto sorted = encoding.ranks;
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  Json vocabulary = Json::object(), merges = Json::array(), added = Json::array();
  auto& members = vocabulary.get_ref<Json::object_t&>();  // not operator[]: it would search all keys for each key
  for (const auto& [token, rank] : sorted) {
    members.push_back({to_byte_level(token), rank});
    if (token.size() < 2) continue;
    if (const size_t cut = last_cut(token, ranks); cut > 0)
      merges.push_back(Json::array({to_byte_level(token.substr(0, cut)), to_byte_level(token.substr(cut))}));
  }
  for (const auto& [text, id] : encoding.special_tokens) {
    members.push_back({text, id});  // in the vocabulary too, so that gaps between ids stay gaps
    added.push_back({{"id", id},
                     {"content", text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  const Json json = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", added},
                     {"normalizer", nullptr},
                     {"pre_tokenizer", pre_tokenizer(encoding.pattern)},
                     {"post_processor", nullptr},
                     {"decoder", byte_level(true)},
                     {"model",
                      {{"type", "BPE"},
                       {"dropout", nullptr},
                       {"unk_token", nullptr},
                       {"continuing_subword_prefix", nullptr},
                       {"end_of_word_suffix", nullptr},
                       {"fuse_unk", false},
                       {"byte_fallback", false},
                       {"ignore_merges", true},
                       {"vocab", std::move(vocabulary)},
                       {"merges", std::move(merges)}}}};
  return json.dump();
}

TokenizerPtr load_tiktoken(const std::filesystem::path& file, const std::string& bytes, const BesideFile& beside) {
  TiktokenEncoding encoding;
  encoding.ranks = read_ranks(bytes, file.string());
  for (const Published& known : published()) {
    if (file.stem().string() != known.name || known.ranks != encoding.ranks.size()) continue;
    encoding.pattern = known.pattern;
    encoding.special_tokens = known.special_tokens;
  }
  std::filesystem::path sidecar = file;
  sidecar += ".json";
  std::error_code ignored;
  if (std::filesystem::exists(sidecar, ignored)) read_beside(sidecar, encoding);
  if (encoding.pattern.empty())
    fail_input(
        file.string(),
        fmt::format("expected a published encoding, found \"{}\" with {} ranks", file.stem().string(),
                    encoding.ranks.size()),
        fmt::format("a file of ranks does not hold its pattern: write {} with \"pattern\" and \"special_tokens\"",
                    sidecar.filename().string()));
  return tokenizer_of_json(tiktoken_json(encoding, file.string()), file.string(), beside.named,
                           beside.named.eos.empty() ? UsualNames::all : UsualNames::none, file.string(),
                           beside.other_roles);
}

}  // namespace plumb::data
