#include "core/config/cross_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "core/config/derive.h"
#include "core/config/pointless.h"
#include "core/config/values.h"

namespace plumb::config {
namespace {

class Rules {
 public:
  Rules(Reading& reading, Purpose purpose, Problems& problems, Derived& derived)
      : reading_(reading), config_(reading.config), purpose_(purpose), problems_(problems), derived_(derived) {}

  void run() {
    model();
    if (trains()) length();
    data();
    mix();
    tokenizer();
    method();
    if (trains()) batch();
    evaluation();
    pointless();
  }

 private:
  Reading& reading_;
  Config& config_;
  Purpose purpose_;
  Problems& problems_;
  Derived& derived_;

  bool trains() const { return purpose_ == Purpose::train || purpose_ == Purpose::tune || purpose_ == Purpose::check; }
  bool has(const std::string& address) const { return reading_.find(address) != nullptr; }

  // The key's own place, else its section's, else none.
  Place place(std::string address, bool value = false) const {
    for (;;) {
      if (const Given* given = reading_.find(address)) return value ? given->value : given->key;
      const size_t dot = address.rfind('.');
      if (dot == std::string::npos) return {};
      address.resize(dot);
      value = false;
    }
  }

  void error(const std::string& address, std::string message, std::string hint = "") {
    problems_.add(place(address), std::move(message), std::move(hint));
  }

  // "train.tokens and train.epochs (line 16)": each after the first with its line.
  std::string enumerate(const std::vector<std::string>& addresses, const std::string& at) const {
    std::string text;
    for (size_t i = 0; i < addresses.size(); ++i) {
      text += (i == 0 ? "" : i + 1 == addresses.size() ? " and " : ", ") + addresses[i];
      const Given* given = reading_.find(addresses[i]);
      if (addresses[i] != at && given && given->key.in_file()) text += fmt::format(" (line {})", given->key.line);
    }
    return text;
  }

  // Of several keys exactly one; the error stands at the later one.
  void exactly_one(const std::string& what, const std::vector<std::string>& addresses, const std::string& missing,
                   const std::string& hint) {
    std::vector<std::string> found;
    for (const auto& address : addresses)
      if (has(address)) found.push_back(address);
    if (found.size() == 1) return;
    if (found.empty()) return error(addresses.front(), missing, hint);
    const auto earlier = [&](const std::string& a, const std::string& b) {
      const Place &first = reading_.find(a)->key, &second = reading_.find(b)->key;
      return std::pair(first.line, first.column) < std::pair(second.line, second.column);
    };
    const auto last = *std::max_element(found.begin(), found.end(), earlier);
    error(last, fmt::format("expected one {}, found {}", what, enumerate(found, last)),
          found.size() == 2 ? "remove one of them" : "remove all but one");
  }

  void model() {
    const auto& model = config_.model;
    if (purpose_ == Purpose::train && has("model.base"))
      error("model.base", "model.base is for plumb tune; plumb train starts from random weights",
            "run plumb tune, or give model.preset or model.family");
    if (purpose_ == Purpose::tune && !has("model.base"))
      return error("model.base", "missing key model.base", "plumb tune specialises a base: give the path of one");
    const bool any = has("model.preset") || has("model.base") || has("model.family");
    if (trains() || any)
      exactly_one("of model.preset, model.base, model.family", {"model.preset", "model.base", "model.family"},
                  "missing key model.preset, model.base or model.family", "give exactly one of them");
    if (has("model.base")) return beside_base();
    if (has("model.family")) shape_required();
    shape();
    if (model.max_position_embeddings && config_.data.sequence_length > *model.max_position_embeddings)
      error(has("data.sequence_length") ? "data.sequence_length" : "model.max_position_embeddings",
            fmt::format("expected data.sequence_length of at most model.max_position_embeddings {}, found {}",
                        *model.max_position_embeddings, config_.data.sequence_length),
            "shorten the sequence, or give model.max_position_embeddings");
  }

  void beside_base() {
    static const std::vector<std::string> shapes = {
        "hidden_size",         "intermediate_size", "num_hidden_layers",       "num_attention_heads",
        "num_key_value_heads", "head_dim",          "max_position_embeddings", "vocab_size",
        "rope_theta",          "rms_norm_eps",      "tie_word_embeddings"};
    for (const auto& name : shapes)
      if (has("model." + name))
        error("model." + name, fmt::format("model.{} cannot stand beside model.base", name),
              "remove it: the shape is the base's");
  }

  void shape_required() {
    for (const std::string name : {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"})
      if (!has("model." + name))
        error("model." + name, fmt::format("missing key model.{}", name), "model.family needs the shape key by key");
  }

  void shape() {
    const auto& m = config_.model;
    if (!m.num_attention_heads) return;
    const int64_t heads = *m.num_attention_heads, groups = m.num_key_value_heads.value_or(heads);
    if (groups < 1 || heads % groups != 0)
      error("model.num_key_value_heads",
            fmt::format("expected model.num_key_value_heads to divide model.num_attention_heads {}, found {}", heads,
                        groups));
    if (!m.head_dim && m.hidden_size && *m.hidden_size % heads != 0)
      error("model.hidden_size",
            fmt::format("expected model.hidden_size to be a multiple of model.num_attention_heads {}, found {}", heads,
                        *m.hidden_size),
            "or give model.head_dim");
    const int64_t width = m.head_dim.value_or(m.hidden_size.value_or(0) / heads);
    if (width % 2 != 0)
      error(has("model.head_dim") ? "model.head_dim" : "model.hidden_size",
            fmt::format("expected an even head_dim (rotary positions turn pairs), found {}", width));
  }

  void length() {
    exactly_one("length", {"train.steps", "train.tokens", "train.epochs"},
                "missing key train.steps, train.tokens or train.epochs", "give exactly one of them");
    for (const std::string name : {"global_batch_size", "learning_rate"})
      if (!has("train." + name))
        error("train." + name, fmt::format("missing key train.{}", name), find_key("train." + name)->meaning);
    const auto& train = config_.train;
    if (train.tokens && *train.tokens > kMostPositions)
      error("train.tokens", fmt::format("expected at most {} tokens, found {}", kMostPositions, *train.tokens));
    const int64_t positions = std::max<int64_t>(1, train.global_batch_size * config_.data.sequence_length);  // <= 2^60
    if (train.steps && *train.steps > kMostPositions / positions)
      error("train.steps",
            fmt::format("expected at most {} steps of {} tokens, found {}", kMostPositions / positions, positions,
                        *train.steps),
            "more tokens than a run can count; write train.time_limit to stop by the clock");
  }

  void data() {
    const bool needed = trains() || purpose_ == Purpose::data;
    const bool sources = !config_.data.sources.empty(), dataset = has("data.dataset");
    if (has("data.sources") && dataset)
      error("data.dataset",
            fmt::format("expected one of data.sources, data.dataset, found {}",
                        enumerate({"data.sources", "data.dataset"}, "data.dataset")),
            "remove one of them");
    if (has("data.sources") && !sources && problems_.empty())
      error("data.sources", "expected at least one source, found []");
    if (purpose_ == Purpose::tokenizer && !has("data.sources") && !config_.tokenizer.extend)
      error("data.sources", "missing key data.sources", "a tokenizer is trained on them");
    if (needed && !has("data.sources") && !dataset)
      error("data.sources", "missing key data.sources or data.dataset", "give the documents to train on");
    if (has("data.validation_share") && has("data.validation"))
      error("data.validation",
            fmt::format("expected one of data.validation_share, data.validation, found {}",
                        enumerate({"data.validation_share", "data.validation"}, "data.validation")),
            "remove one of them");
    if (dataset && has("data.validation_share"))
      error("data.validation_share", "data.validation_share has no effect beside data.dataset",
            "the dataset was built with its held-out documents; remove it");
    for (const std::string group : {"data.clean", "data.privacy", "data.dedup", "data.decontaminate"})
      if (dataset && !nothing_is_built(config_) && reading_.find(group))
        derived_.warnings.push_back(group +
                                    " holds for what is built here, not for data.dataset, which stays as it is");
    replay();
    unique_names();
  }

  void replay() {
    if (!has("data.replay")) return;
    const bool sources = has("data.replay.sources"), dataset = has("data.replay.dataset");
    if (!has("data.replay.share"))
      error("data.replay", "missing key data.replay.share", "how much of all positions is general data, such as 10%");
    if (sources == dataset)
      error("data.replay",
            sources ? "expected one of data.replay.sources, data.replay.dataset, found both"
                    : "missing key data.replay.sources or data.replay.dataset",
            sources ? "remove one of them" : "give the general data");
  }

  // Weights decide how often a source is read; then nothing is an epoch any more.
  void mix() {
    const auto& sources = config_.data.sources;
    const auto weighted =
        std::count_if(sources.begin(), sources.end(), [](const auto& s) { return s.weight.has_value(); });
    for (const auto& [list, name] :
         {std::pair(&config_.data.validation, "data.validation"),
          std::pair(config_.data.replay ? &config_.data.replay->sources : nullptr, "data.replay.sources")}) {
      for (size_t i = 0; list && i < list->size(); ++i)
        if ((*list)[i].weight)
          error(fmt::format("{}[{}].weight", name, i), fmt::format("{}[{}].weight has no effect", name, i),
                "only data.sources are mixed by weight; remove it");
    }
    if (weighted == 0) {
      if (!config_.data.curriculum.empty())
        error("data.curriculum", "data.curriculum needs weighted sources",
              "give every source of data.sources its weight at the start, 0 for none");
      return;
    }
    std::set<std::string> names;
    bool any = false;
    for (size_t i = 0; i < sources.size(); ++i) {
      const std::string address = fmt::format("data.sources[{}]", i);
      if (!sources[i].weight)
        error(address, fmt::format("missing key {}.weight", address), "all sources have a weight, or none has one");
      else
        any |= *sources[i].weight > 0;
      if (!names.insert(sources[i].name).second)
        error(address, fmt::format("two sources are named {}", sources[i].name), "give each a name of its own");
    }
    if (!any) error("data.sources", "expected at least one weight above 0, found none");
    if (has("train.epochs"))
      error("train.epochs", "train.epochs has no meaning beside data.sources[].weight",
            "weighted sources come round at different speeds; give train.steps or train.tokens");
    for (const auto& [address, interval] :
         {std::pair("output.log_every", &config_.output.log_every),
          std::pair("output.checkpoint.every", &config_.output.checkpoint.every),
          std::pair("output.checkpoint.keep_every", &config_.output.checkpoint.keep_every),
          std::pair("eval.every", &config_.eval.every)})
      if (interval->unit == Interval::Unit::epochs)
        error(address, fmt::format("{} has no epochs beside data.sources[].weight", address), "write steps or tokens");
    for (size_t i = 0; i < config_.data.curriculum.size(); ++i) stage(config_.data.curriculum[i], i);
  }

  void stage(const CurriculumStage& stage, size_t number) {
    const std::string address = fmt::format("data.curriculum[{}]", number), weights = address + ".weights";
    if (stage.from.unit == Span::Unit::percent && stage.from.value >= 100)
      error(address + ".from", fmt::format("expected less than 100% of the length, found {}", write_span(stage.from)));
    if (stage.replay && !has("data.replay"))
      error(address + ".replay", fmt::format("{}.replay needs data.replay", address), "give the general data");
    std::vector<std::string> names;
    for (const auto& source : config_.data.sources) names.push_back(source.name);
    bool any = false;
    for (const auto& [name, text] : stage.weights) {
      const auto number_read = read_number(text);
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        const auto near = nearest(name, names);
        error(weights, fmt::format("unknown source {}", name), near ? fmt::format("did you mean {}?", *near) : "");
      }
      if (!number_read.value || *number_read.value < 0 || *number_read.value > 1e15)
        error(weights, fmt::format("expected a number of at least 0 for {}, found \"{}\"", name, text));
      else
        any |= *number_read.value > 0;
    }
    for (const auto& name : names)
      if (has(weights) && !stage.weights.count(name))
        error(weights, fmt::format("missing weight of {}", name), "every source stands in a stage; 0 leaves it out");
    if (has(weights) && !any) error(weights, "expected at least one weight above 0, found none");
  }

  void unique_names() {
    std::set<std::string> names;
    for (size_t i = 0; i < config_.eval.sets.size(); ++i) {
      const auto& name = config_.eval.sets[i].name;
      const std::string address = fmt::format("eval.sets[{}].name", i);
      if (name == "validation")
        error(address, "the name validation is taken", "it stands for the held-out documents; choose another");
      if (name.find('.') != std::string::npos)
        error(address, fmt::format("expected a name without a dot, found \"{}\"", name));
      if (!name.empty() && !names.insert(name).second)
        error(address, fmt::format("two sets are named {}", name), "names must differ");
    }
  }

  void tokenizer() {
    const auto& tokenizer = config_.tokenizer;
    const bool base = has("model.base");
    if (base && tokenizer.type == "bpe")
      return error("tokenizer.type", "tokenizer.type bpe cannot stand beside model.base",
                   "a base comes with its tokenizer; remove it");
    if (purpose_ == Purpose::tokenizer) {
      if (tokenizer.type != "bpe" && !tokenizer.extend)
        error("tokenizer.type", fmt::format("expected tokenizer.type bpe, found {}", tokenizer.type),
              "bpe is trained on data.sources, tokenizer.extend grows a finished one");
      return;
    }
    const bool needed = trains() || purpose_ == Purpose::data;
    const bool dataset = has("data.dataset");  // which has its own
    if (needed && !base && !dataset && tokenizer.type == "file" && tokenizer.path.empty() && !has("tokenizer.path"))
      error("tokenizer.path", "missing key tokenizer.path",
            "give a tokenizer.json, or write tokenizer.type: bpe to train one or tokenizer.type: bytes");
    if (needed && tokenizer.type == "bpe" && config_.data.sources.empty() && dataset)
      error("tokenizer.type", "tokenizer.type bpe needs data.sources",
            "it is trained on them; a dataset has its tokenizer already");
    if (config_.model.vocab_size && tokenizer.type == "bpe" && *config_.model.vocab_size < tokenizer.vocab_size)
      error("model.vocab_size",
            fmt::format("expected model.vocab_size of at least tokenizer.vocab_size {}, found {}", tokenizer.vocab_size,
                        *config_.model.vocab_size),
            "remove it to take the tokenizer's");
  }

  void method() {
    const auto& method = config_.method;
    if (!trains()) return;
    const bool tuning = is_tuning(config_, purpose_);
    if (!tuning && method.name == "sft")
      error("method.name", "method.name sft needs a base",
            "plumb train starts from random weights; use plumb tune with model.base");
    if (!tuning && method.adapter != "none")
      error("method.adapter", fmt::format("method.adapter {} needs a base", method.adapter),
            "an adapter is trained beside frozen weights; use plumb tune with model.base");
    const auto& targets = method.lora.targets;
    if (targets.empty()) error("method.lora.targets", "expected at least one target, found []");
    if (targets.size() > 1 && std::find(targets.begin(), targets.end(), "all_linear") != targets.end())
      error("method.lora.targets", "all_linear names every target already", "remove the others, or remove all_linear");
    for (const auto& change : config_.train.accept_changes) {
      if (find_key(change) || is_group(change)) continue;
      const auto near = nearest(change, all_addresses());
      error("train.accept_changes", fmt::format("unknown key {}", change),
            near ? fmt::format("did you mean {}?", *near) : "");
    }
  }

  void batch() {
    const auto& train = config_.train;
    if (train.micro_batch_size && train.global_batch_size > 0 && *train.micro_batch_size > train.global_batch_size)
      error("train.micro_batch_size",
            fmt::format("expected train.micro_batch_size of at most train.global_batch_size {}, found {}",
                        train.global_batch_size, *train.micro_batch_size));
    const auto& low = train.schedule.min_learning_rate;
    if (train.learning_rate > 0 && (low.percent ? low.value > 100 : low.value > train.learning_rate))
      error("train.schedule.min_learning_rate", fmt::format("expected at most train.learning_rate {}, found {}",
                                                            write_number(train.learning_rate), write_relative(low)));
    for (const auto* span : {&train.schedule.warmup, &train.schedule.decay})
      if (span->unit == Span::Unit::percent && span->value > 100)
        error(span == &train.schedule.warmup ? "train.schedule.warmup" : "train.schedule.decay",
              fmt::format("expected at most 100% of the length, found {}", write_span(*span)));
  }

  // "triage.exact_match" -> the set, if there is one with that metric.
  const EvalSet* find_metric(const std::string& metric) const {
    for (const auto& set : config_.eval.sets)
      if (metric == set.name + "." + set.metric) return &set;
    return nullptr;
  }

  void check_metric(const std::string& address, const std::string& metric, bool during) {
    if (metric == "validation.loss") {
      const auto& data = config_.data;
      if (data.validation_share == 0 && data.validation.empty() && data.dataset.empty())
        error(address, "validation.loss needs held-out documents", "give data.validation_share or data.validation");
      return;
    }
    const EvalSet* set = find_metric(metric);
    std::vector<std::string> known = {"validation.loss"};
    for (const auto& candidate : config_.eval.sets) known.push_back(candidate.name + "." + candidate.metric);
    std::string list;
    for (const auto& name : known) list += (list.empty() ? "" : ", ") + name;
    if (!set) return error(address, fmt::format("unknown metric {}", metric), "known here: " + list);
    if (during && !set->during)
      error(address, fmt::format("{} is not measured during training", metric),
            fmt::format("write during: true in the set {}", set->name));
  }

  void evaluation() {
    if (config_.output.checkpoint.keep_best > 0 && trains()) {
      check_metric("output.checkpoint.best", config_.output.checkpoint.best, true);
      if (config_.eval.every.unit == Interval::Unit::none)
        error("output.checkpoint.keep_best", "output.checkpoint.keep_best needs evaluations during training",
              "give eval.every an interval");
    }
    for (size_t i = 0; i < config_.eval.pass.size(); ++i) {
      const auto& rule = config_.eval.pass[i];
      const std::string address = fmt::format("eval.pass[{}]", i);
      if (!rule.metric.empty()) check_metric(address + ".metric", rule.metric, false);
      if (!rule.min && !rule.min_gain && !rule.max_loss)
        error(address, fmt::format("expected one of min, min_gain, max_loss in {}, found none", address));
    }
    if (config_.output.export_.when == "passed" && config_.eval.pass.empty() && trains())
      error("output.export.when", "output.export.when passed needs rules in eval.pass",
            "add rules, or write when: always");
  }

  void pointless() {
    for (const auto& rule : pointless_rules()) {
      if (!rule.holds(config_)) continue;
      for (const auto& [address, given] : reading_.given) {
        const bool group = address.starts_with(std::string(rule.address) + ".");
        if ((address != rule.address && !group) || is_group(address)) continue;
        const Given* because = reading_.find(rule.because);
        // Both in the file: somebody is mistaken. One of them from the command line: say so and go on.
        if (given.key.in_file() && !(because && because->key.on_command_line()))
          error(address, fmt::format("{} {}", address, rule.reason), rule.hint);
        else
          derived_.warnings.push_back(fmt::format("{} {}", address, rule.reason));
      }
    }
  }
};

}  // namespace

Derived derive_and_check(Reading& reading, const std::filesystem::path& base_folder, Purpose purpose,
                         Problems& problems) {
  Derived derived;
  derive(reading, base_folder, purpose, derived, problems);
  Rules(reading, purpose, problems, derived).run();
  privacy_rules(reading, problems);
  extend_rules(reading, purpose, problems);
  field_rules(reading, problems);
  if (purpose == Purpose::train || purpose == Purpose::tune || purpose == Purpose::data)
    folder_rules(reading, problems);
  return derived;
}

}  // namespace plumb::config
