#include "trainer/model/spec.h"

#include <cmath>
#include <limits>

#include "core/error.h"

namespace plumb::model {

namespace {

// Sizes beyond these are mistakes; below them no product of two overflows.
constexpr int64_t kLargestExtent = int64_t{1} << 30;
constexpr int64_t kMostLayers = 1 << 16;

void require(bool good, const std::string& where, const std::string& message, const std::string& hint = "") {
  if (!good) fail_input(where, message, hint);
}

void check_extent(const std::string& where, const char* key, int64_t value, int64_t most = kLargestExtent) {
  require(value >= 1 && value <= most, where,
          std::string(key) + " is " + std::to_string(value) + "; expected 1 to " + std::to_string(most));
}

// Projections that read the same input lie side by side: one fused matrix.
struct Projection {
  const char* part;
  const char* name;
  int64_t out, in;
};

std::vector<std::vector<Projection>> projection_groups(const ModelSpec& s) {
  const int64_t q = s.num_attention_heads * s.head_dim, kv = s.num_key_value_heads * s.head_dim;
  return {{{"attention", "q_proj", q, s.hidden_size},
           {"attention", "k_proj", kv, s.hidden_size},
           {"attention", "v_proj", kv, s.hidden_size}},
          {{"attention", "o_proj", s.hidden_size, q}},
          {{"mlp", "gate_proj", s.intermediate_size, s.hidden_size},
           {"mlp", "up_proj", s.intermediate_size, s.hidden_size}},
          {{"mlp", "down_proj", s.hidden_size, s.intermediate_size}}};
}

bool is_target(const LoraSpec& lora, const char* name) {
  for (const std::string& target : lora.targets) {
    if (target == name) return true;
  }
  return false;
}

void check_lora(const LoraSpec& lora) {
  const std::string where = "method.lora";
  require(lora.rank >= 1 && lora.rank <= kMostLayers, where,
          "rank is " + std::to_string(lora.rank) + "; expected >= 1");
  require(std::isfinite(lora.alpha) && lora.alpha > 0, where, "alpha must be a positive number");
  require(lora.dropout >= 0 && lora.dropout < 1, where, "dropout must lie in [0, 1)");
  require(!lora.targets.empty(), where, "no target is named", "for example targets: [q_proj, v_proj]");
  for (const std::string& target : lora.targets) {
    bool known = false;
    for (const auto& group : projection_groups({})) {
      for (const Projection& p : group) known = known || target == p.name;
    }
    require(known, where, "unknown target \"" + target + "\"",
            "targets are q_proj k_proj v_proj o_proj gate_proj up_proj down_proj");
  }
}

void add_block(std::vector<ParameterInfo>& out, const ModelSpec& s, int64_t block, bool trainable,
               const LoraSpec* lora) {
  using Init = ParameterInfo::Init;
  const std::string prefix = "blocks." + std::to_string(block) + ".";
  const int64_t stage = block + 1;
  const auto groups = projection_groups(s);
  for (size_t g = 0; g < groups.size(); ++g) {
    if (g == 0) out.push_back({prefix + "attention_norm.weight", {s.hidden_size}, stage, trainable, false, Init::ones});
    if (g == 2) out.push_back({prefix + "mlp_norm.weight", {s.hidden_size}, stage, trainable, false, Init::ones});
    for (const Projection& p : groups[g]) {
      out.push_back({prefix + p.part + "." + p.name + ".weight", {p.out, p.in}, stage, trainable, true, Init::normal});
    }
  }
  if (lora == nullptr) return;
  for (const auto& group : groups) {  // the A matrices of one input side by side, then their B matrices
    for (const bool second : {false, true}) {
      for (const Projection& p : group) {
        if (!is_target(*lora, p.name)) continue;
        const std::string name = prefix + p.part + "." + p.name + (second ? ".lora_b" : ".lora_a");
        if (second) {
          out.push_back({name, {p.out, lora->rank}, stage, true, true, Init::zeros});
        } else {
          out.push_back({name, {lora->rank, p.in}, stage, true, true, Init::kaiming_uniform});
        }
      }
    }
  }
}

// embedding or head: one matrix, or the old rows and the new ones side by side.
void add_vocabulary(std::vector<ParameterInfo>& out, const ModelSpec& s, const std::string& name, int64_t stage,
                    bool trainable, std::optional<int64_t> new_rows) {
  using Init = ParameterInfo::Init;
  const int64_t rows = new_rows.value_or(s.vocab_size);
  out.push_back({name + ".weight", {rows, s.hidden_size}, stage, trainable, true, Init::normal});
  if (!new_rows) return;
  out.push_back({name + ".new_rows.weight", {s.vocab_size - rows, s.hidden_size}, stage, true, true, Init::normal});
}

}  // namespace

void ModelSpec::validate(const std::string& where) const {
  check_extent(where, "vocab_size", vocab_size);
  check_extent(where, "hidden_size", hidden_size);
  check_extent(where, "intermediate_size", intermediate_size);
  check_extent(where, "num_hidden_layers", num_hidden_layers, kMostLayers);
  check_extent(where, "num_attention_heads", num_attention_heads, kMostLayers);
  check_extent(where, "num_key_value_heads", num_key_value_heads, kMostLayers);
  check_extent(where, "head_dim", head_dim, kMostLayers);
  check_extent(where, "max_position_embeddings", max_position_embeddings);
  require(num_attention_heads % num_key_value_heads == 0, where,
          "num_attention_heads " + std::to_string(num_attention_heads) + " is not a multiple of num_key_value_heads " +
              std::to_string(num_key_value_heads),
          "every key-value head serves the same number of query heads");
  require(head_dim % 2 == 0, where, "head_dim is " + std::to_string(head_dim) + "; rotary positions need an even one");
  require(std::isfinite(rope_theta) && rope_theta > 0, where, "rope_theta must be a positive number");
  require(std::isfinite(rms_norm_eps) && rms_norm_eps > 0, where, "rms_norm_eps must be a positive number");
  require(std::isfinite(initializer_range) && initializer_range >= 0, where, "initializer_range must be >= 0");
  require(hidden_dropout >= 0 && hidden_dropout < 1, where, "hidden_dropout must lie in [0, 1)");
  require(attention_dropout == 0, where,
          "attention_dropout is not supported: attention keeps no score matrix to drop from",
          "set attention_dropout to 0; hidden_dropout works");
  if (rope_scaling) {
    const RopeScaling& r = *rope_scaling;
    require(r.factor >= 1 && r.low_freq_factor > 0 && r.high_freq_factor > r.low_freq_factor &&
                r.original_max_position_embeddings > 0 && std::isfinite(r.factor) && std::isfinite(r.high_freq_factor),
            where, "rope_scaling is inconsistent",
            "factor >= 1, 0 < low_freq_factor < high_freq_factor, original_max_position_embeddings > 0");
  }
}

int64_t ParameterInfo::numel() const {
  int64_t product = 1;
  for (const int64_t extent : shape) {
    if (__builtin_mul_overflow(product, extent, &product)) fail_input(name, "more than 2^63 elements");
  }
  return product;
}

std::vector<ParameterInfo> parameters(const ModelSpec& spec, const std::optional<LoraSpec>& lora,
                                      std::optional<int64_t> new_rows) {
  using Init = ParameterInfo::Init;
  if (lora) check_lora(*lora);
  if (new_rows && (*new_rows < 1 || *new_rows >= spec.vocab_size)) {
    fail_internal("new rows from " + std::to_string(*new_rows) + " on in a vocabulary of " +
                  std::to_string(spec.vocab_size));
  }
  const bool trainable = !lora && !new_rows;
  std::vector<ParameterInfo> out;
  add_vocabulary(out, spec, "embedding", 0, trainable, new_rows);
  for (int64_t block = 0; block < spec.num_hidden_layers; ++block) {
    add_block(out, spec, block, trainable, lora ? &*lora : nullptr);
  }
  const int64_t head = spec.num_hidden_layers + 1;
  out.push_back({"final_norm.weight", {spec.hidden_size}, head, trainable, false, Init::ones});
  if (!spec.tie_word_embeddings) add_vocabulary(out, spec, "head", head, trainable, new_rows);
  return out;
}

bool is_adapter(const std::string& name) { return name.ends_with(".lora_a") || name.ends_with(".lora_b"); }

int64_t parameter_count(const ModelSpec& spec) {
  int64_t total = 0;
  for (const ParameterInfo& parameter : parameters(spec)) total += parameter.numel();
  return total;
}

FlopsPerToken flops_per_token(const ModelSpec& spec, int64_t sequence_length) {
  const double table = static_cast<double>(spec.vocab_size) * static_cast<double>(spec.hidden_size);
  const double total = static_cast<double>(parameter_count(spec));
  // A tied table is looked up and multiplied: it counts once, as the head.
  const double multiplied = spec.tie_word_embeddings ? total : total - table;
  const double attention = static_cast<double>(spec.num_hidden_layers * spec.num_attention_heads * spec.head_dim) *
                           static_cast<double>(sequence_length);
  return {6 * multiplied + 12 * attention, 6 * multiplied + 6 * attention};
}

}  // namespace plumb::model
