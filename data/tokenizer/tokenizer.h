// Text <-> token ids, as Hugging Face `tokenizers` does it for the same tokenizer.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plumb::data {

enum class SpecialInText {
  text,
  token
};  // special-token text inside a document: encoded as plain text, or as the token

struct EncodeCounts {
  int64_t special_texts = 0;  // special-token strings met inside text
  int64_t invalid_bytes = 0;  // maximal invalid UTF-8 sequences, each read as U+FFFD
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  virtual int64_t vocab_size() const = 0;  // largest id + 1, added tokens included
  // Appends the ids of `text`, without bos/eos. Thread-safe.
  virtual void encode(std::string_view text, std::vector<int32_t>& ids, SpecialInText mode = SpecialInText::text,
                      EncodeCounts* counts = nullptr) const = 0;
  // Ids as `tokenizers` gives them with add_special_tokens=True (post-processor applied).
  virtual void encode_with_specials(std::string_view text, std::vector<int32_t>& ids) const = 0;
  virtual std::string decode(std::span<const int32_t> ids, bool skip_special = false) const = 0;
  // Bytes of one token as it appears inside text (for streaming output and coloured masks).
  virtual std::string token_bytes(int32_t id) const = 0;
  virtual std::optional<int32_t> token_id(std::string_view token) const = 0;  // exact vocabulary or added token
  virtual bool is_special(int32_t id) const = 0;

  virtual std::optional<int32_t> bos() const = 0;
  virtual std::optional<int32_t> eos() const = 0;
  virtual std::optional<int32_t> pad() const = 0;

  virtual std::string digest() const = 0;  // sha256 of canonical tokenizer.json, bos, eos, pad; hex
  virtual std::string json() const = 0;    // tokenizer.json, accepted by `tokenizers`
  std::vector<int32_t> encode(std::string_view text) const {
    std::vector<int32_t> v;
    encode(text, v);
    return v;
  }
};
using TokenizerPtr = std::shared_ptr<const Tokenizer>;

struct SpecialTokens {  // text of each; empty = the file's own, or none
  std::string bos = {}, eos = {}, pad = {};
  std::vector<std::string> extra = {};
};

// tokenizer.json or a folder with it (tokenizer_config.json beside it names bos, eos, pad). Unknown components: Error.
TokenizerPtr load_tokenizer(const std::filesystem::path& file_or_folder, const SpecialTokens& specials = {});
// Ids 0..255 are bytes, then the specials (default eos "<|endoftext|>"; others only when named). Saved and loaded as
// tokenizer.json too (byte-level BPE without merges), so that exports work.
TokenizerPtr bytes_tokenizer(const SpecialTokens& specials = {});

// What a dataset keeps of a tokenizer, by name: its file, and the tokenizer_config.json that names bos, eos and pad
// where that alone does not. Read again they are the tokenizer of the same digest. `where`: their folder, for messages.
inline constexpr const char* kTokenizerFiles[] = {"tokenizer.json", "tokenizer.model", "tokenizer_config.json"};
std::map<std::string, std::string> tokenizer_files(const Tokenizer&);
TokenizerPtr tokenizer_of_files(const std::map<std::string, std::string>& files, const std::string& where);

// Byte-level BPE (GPT-2/Llama-3 pre-tokenizer), deterministic for any thread count, 64-bit counts.
struct BpeTrainOptions {
  int64_t vocab_size = 32768;  // specials included
  int64_t min_frequency = 2;
  SpecialTokens specials = {};  // default eos "<|endoftext|>"
  int threads = 1;
};
class BpeTrainer {
 public:
  explicit BpeTrainer(BpeTrainOptions);
  ~BpeTrainer();
  void add(std::string_view document);
  TokenizerPtr train();  // Error(bad_input) when the text has too few pairs for vocab_size
 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Writes tokenizer.json and tokenizer_config.json (chat template given, bos/eos/pad named) into `folder`.
void save_tokenizer(const Tokenizer&, const std::filesystem::path& folder, const std::string& chat_template_jinja = "");

}  // namespace plumb::data
