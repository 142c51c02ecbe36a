// plumb inspect
#include <fmt/ranges.h>

#include <algorithm>
#include <iostream>
#include <map>

#include "core/config/values.h"
#include "core/error.h"
#include "core/log.h"
#include "data/dataset.h"
#include "data/tokenizer/tokenizer.h"
#include "trainer/commands/arguments.h"
#include "trainer/export/open_model.h"
#include "trainer/formats/safetensors.h"
#include "trainer/jobs/jobs.h"

namespace plumb::commands {

namespace {

namespace fs = std::filesystem;

void line(const std::string& key, const std::string& value) { std::cout << fmt::format("{:<24} {}\n", key, value); }

// Names from a file may hold anything; the terminal sees printable text only.
std::string printable(const std::string& text) {
  std::string out = text;
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
  return out;
}

void inspect_safetensors(const fs::path& path, bool all) {
  const formats::SafetensorsFile file(path);
  std::map<std::string, std::pair<int64_t, int64_t>> by_dtype;
  for (const auto& entry : file.entries()) {
    auto& [count, bytes] = by_dtype[formats::name_of(entry.dtype)];
    count += entry.numel();
    bytes += static_cast<int64_t>(entry.end - entry.begin);
  }
  line("safetensors", path.string());
  for (const auto& [key, value] : file.metadata()) line("metadata " + printable(key), printable(value).substr(0, 200));
  line("tensors", core::with_commas(static_cast<int64_t>(file.entries().size())));
  for (const auto& [dtype, sums] : by_dtype) {
    line(dtype, fmt::format("{} values, {}", core::with_commas(sums.first),
                            core::human_bytes(static_cast<double>(sums.second))));
  }
  constexpr size_t kShown = 20;
  for (size_t i = 0; i < file.entries().size() && (all || i < kShown); ++i) {
    const auto& entry = file.entries()[i];
    std::cout << fmt::format("  {:<5} [{}]  {}\n", formats::name_of(entry.dtype), fmt::join(entry.shape, ", "),
                             printable(entry.name));
  }
  if (!all && file.entries().size() > kShown) std::cout << "  ... (--all shows every tensor)\n";
}

void inspect_tokenizer(const fs::path& path) {
  const auto tokenizer = data::load_tokenizer(path);
  line("tokenizer", path.string());
  line("vocabulary", core::with_commas(tokenizer->vocab_size()));
  const auto special = [&](const char* name, std::optional<int32_t> id) {
    if (id) line(name, fmt::format("{} \"{}\"", *id, printable(tokenizer->token_bytes(*id))));
  };
  special("bos", tokenizer->bos());
  special("eos", tokenizer->eos());
  special("pad", tokenizer->pad());
  line("digest", tokenizer->digest());
}

void inspect_dataset(const fs::path& path) {
  const auto dataset = data::Dataset::open(path);
  line("dataset", path.string());
  const auto report = dataset->report().json();
  for (const auto& [key, value] : report.items()) line(key, value.dump());
  line("sequences", core::with_commas(dataset->rows()));
  line("digest", dataset->digest());
}

void inspect_model(const fs::path& path) {
  const auto model = exporting::open_model(path, false);
  const auto& spec = model.spec;
  line("model", model.path.string());
  if (!model.run.empty()) line("step", core::with_commas(model.step));
  line("family", spec.family);
  line("parameters", core::with_commas(model::parameter_count(spec)));
  line("shape",
       fmt::format("{} layers, {} wide, {} inside, {}/{} heads of {}", spec.num_hidden_layers, spec.hidden_size,
                   spec.intermediate_size, spec.num_attention_heads, spec.num_key_value_heads, spec.head_dim));
  line("vocabulary", fmt::format("{}, head {}", core::with_commas(spec.vocab_size),
                                 spec.tie_word_embeddings ? "tied" : "of its own"));
  line("positions",
       fmt::format("{}, rope theta {:g}{}", core::with_commas(spec.max_position_embeddings), spec.rope_theta,
                   spec.rope_scaling ? fmt::format(", llama3 scaling x{:g}", spec.rope_scaling->factor) : ""));
  if (model.lora) {
    line("adapter", fmt::format("lora rank {}, alpha {:g}, on {}", model.lora->rank, model.lora->alpha,
                                fmt::join(model.lora->targets, " ")));
    if (model.about.contains("base")) line("base", model.about["base"].value("path", ""));
  }
  line("tokenizer", core::with_commas(model.tokenizer->vocab_size()) + " ids");
  line("chat template", model.chat ? model.chat->name() : "not one of the known ones");
  line("end ids", fmt::format("{}", fmt::join(model.eos_ids, " ")));
  line("digest", model.weights->digest());
  for (const auto& notice : model.notices) line("notice", notice);
}

void inspect_folder(const fs::path& path) {
  std::error_code error;
  bool run = path.filename().string().rfind("step-", 0) == 0 || fs::exists(path / "config.json", error);
  for (const auto& item : fs::directory_iterator(path, error)) {
    run = run || (item.is_directory(error) && item.path().filename().string().rfind("step-", 0) == 0);
  }
  if (run) return inspect_model(path);
  if (fs::exists(path / "manifest.json", error)) return inspect_dataset(path);
  if (fs::exists(path / "tokenizer.json", error)) return inspect_tokenizer(path);
  fail_input(path.string(), "found nothing that can be read",
             "a run, RUN/step-N, a Hugging Face folder, a dataset, a tokenizer, or a .safetensors file");
}

}  // namespace

int inspect(const Words& words) {
  const auto arguments =
      parse_arguments(words, "plumb inspect FILE|FOLDER [--all]",
                      "A readable summary of a run, a step, a Hugging Face folder, a dataset, a tokenizer or a\n"
                      ".safetensors file.",
                      {{"all", "", "every tensor of a file"}}, 1, 1);
  if (arguments.help) return 0;
  fs::path path = fs::absolute(arguments.positional[0]).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  std::error_code error;
  if (!fs::exists(path, error)) {
    const auto near = config::nearest_path(path);
    fail_input(path.string(), "no such file or folder", near ? "did you mean " + near->string() + "?" : "");
  }
  if (fs::is_directory(path, error)) {
    inspect_folder(path);
  } else if (path.extension() == ".safetensors") {
    inspect_safetensors(path, arguments.has("all"));
  } else if (path.filename() == "tokenizer.json") {
    inspect_tokenizer(path);
  } else {
    fail_input(path.string(), "not a file that can be read", "a .safetensors file, tokenizer.json, or a folder");
  }
  return 0;
}

}  // namespace plumb::commands
