#include "trainer/run/reporter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <iostream>
#include <map>

#include "core/files.h"
#include "core/log.h"
#include "data/show.h"
#include "trainer/ops/cpu_features.h"

namespace plumb::run {

namespace {

// FLOP/s of NVIDIA's data sheets: bf16 on dense tensor cores, and fp32 outside them, since products of fp32 are not
// rounded to tf32 here. 0 where the sheets do not agree.
struct Peaks {
  double bf16 = 0, fp32 = 0;
};

double published_peak(const std::string& gpu, const std::string& precision) {
  static const std::map<std::string, Peaks> peaks = {
      {"A100", {312e12, 19.5e12}}, {"H100", {989e12, 67e12}},  {"H200", {989e12, 67e12}}, {"GH200", {989e12, 67e12}},
      {"L40S", {362e12, 91.6e12}}, {"A10", {125e12, 31.2e12}}, {"B200", {2250e12, 0}},    {"GB200", {2500e12, 0}}};
  const auto is_name = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  for (auto at = gpu.begin(); at != gpu.end();) {  // word by word: A100 is no A10
    const auto end = std::find_if_not(at, gpu.end(), is_name);
    if (const auto known = peaks.find(std::string(at, end)); known != peaks.end()) {
      return precision == "bf16" ? known->second.bf16 : known->second.fp32;
    }
    at = std::find_if(end, gpu.end(), is_name);
  }
  return 0;
}

std::string length_text(const config::TrainSection& train, const Length& length) {
  std::string wanted;
  if (train.tokens) wanted = core::human_count(static_cast<double>(*train.tokens)) + " tokens = ";
  if (train.epochs) wanted = fmt::format("{:g} epoch{} = ", *train.epochs, *train.epochs == 1 ? "" : "s");
  std::string text = wanted + core::counted(length.steps, "steps");
  if (length.epochs() > 0) text += fmt::format(" = {:.2f} epochs", length.epochs());
  return text;
}

std::string batch_text(const Length& length, const Choices& choices, const parallel::MeshShape& mesh,
                       int64_t sequence_length) {
  const int64_t ranks = mesh.data * mesh.shard;
  const auto [first, most] = rank_rows(length.rows_per_step, 0, static_cast<int>(ranks));
  const int64_t accumulated = static_cast<int64_t>(micro_batches(most, choices.micro_batch_size).size());
  std::string text = fmt::format("{} x {} = {} a step", core::counted(length.rows_per_step, "sequences"),
                                 core::with_commas(sequence_length), core::counted(length.tokens_per_step, "tokens"));
  const int64_t slots = ranks * choices.micro_batch_size * accumulated;
  text += fmt::format(" = {} data rank{} x {} micro-batch x {} accumulated", ranks, ranks == 1 ? "" : "s",
                      choices.micro_batch_size, accumulated);
  if (slots != length.rows_per_step) {
    text += fmt::format(" ({:.1f}% idle)",
                        100.0 * static_cast<double>(slots - length.rows_per_step) / static_cast<double>(slots));
  }
  return text;
}

std::vector<std::string> data_lines(const Material& material) {
  std::vector<std::string> lines;
  double weights = 0;
  for (const auto& part : material.train) weights += part.weight;
  for (const auto& part : material.train) {
    const auto dropped = part.dataset->report().too_long;
    const bool mixed = material.train.size() > 1;
    lines.push_back(
        fmt::format("data      {}{}, {}, {}{}{}", mixed ? part.name + " " : "",
                    core::counted(part.dataset->documents(), "documents"),
                    core::counted(part.dataset->tokens(), "tokens"), core::counted(part.dataset->rows(), "sequences"),
                    mixed ? fmt::format(", {:.2f}% of the mix", 100 * part.weight / weights) : " an epoch",
                    dropped > 0 ? fmt::format(", {} too long and dropped", core::with_commas(dropped)) : ""));
    const auto left_out = data::show_left_out(*part.dataset);
    if (!left_out.empty()) lines.push_back("left out  " + (mixed ? part.name + " " : "") + left_out);
  }
  return lines;
}

// What a table at the end of a build may hide: data that are not there.
std::vector<std::string> data_warnings(const Material& material, const config::DataSection& section) {
  std::vector<std::string> warnings;
  for (const auto& part : material.train) {
    const auto report = part.dataset->report();
    const auto of = [&](int64_t count) {
      return fmt::format(
          "{} of {} documents ({:.0f}%)", core::with_commas(count), core::with_commas(report.documents),
          100.0 * static_cast<double>(count) / static_cast<double>(std::max<int64_t>(1, report.documents)));
    };
    constexpr int64_t kTwentieth = 20;
    if (report.too_long * kTwentieth > report.documents) {
      warnings.push_back(of(report.too_long) +
                         fmt::format(" are longer than data.sequence_length {} and left out", section.sequence_length));
    }
  }
  return warnings;
}

}  // namespace

Ceiling measure_ceiling(const Place& place, const std::string& precision, parallel::Communicator& world) {
  if (place.device.is_cuda()) return {published_peak(place.processor, precision) * place.ranks, false};
  // All ranks measure at the same time: that is how they will compute.
  const double gflops = ops::measure_gemm_gflops(precision == "bf16");
  return {parallel::all_reduce_value(world, gflops) * 1e9, true};
}

Reporter::Reporter(const config::Loaded& loaded, const Place& place, const Length& length, const model::ModelSpec& spec,
                   Ceiling ceiling, int64_t memory_limit, bool prints)
    : loaded_(loaded),
      place_(place),
      length_(length),
      flops_(model::flops_per_token(spec, loaded.config.data.sequence_length)),
      ceiling_(ceiling),
      memory_limit_(memory_limit),
      prints_(prints),
      style_(core::on_this_terminal(core::progress_style(loaded.config.output.progress))),
      folder_(loaded.config.output.folder) {}

Reporter::~Reporter() = default;

double Reporter::share_of_ceiling(double tokens_per_second, bool causal) const {
  if (ceiling_.flops_per_second <= 0) return 0;
  return tokens_per_second * (causal ? flops_.causal : flops_.full) / ceiling_.flops_per_second;
}

void Reporter::start_block(const config::Loaded& loaded, const Material& material, const Choices& choices,
                           const parallel::MeshShape& mesh, int64_t trained_parameters) {
  if (!prints_) return;
  const auto& config = loaded.config;
  const int64_t parameters = model::parameter_count(material.spec);
  std::string compute = choices.precision == "bf16" ? "bf16 compute, fp32 master" : "fp32";
  note(fmt::format(
      "plumb {} {}     {} rank{} x {} thread{} on {}     model {} {} parameters{}, {}",
      config.model.base.empty() ? "train" : "tune", loaded.file.filename().string(), place_.ranks,
      place_.ranks == 1 ? "" : "s", place_.threads, place_.threads == 1 ? "" : "s", place_.processor,
      config.model.preset.empty() ? material.spec.family : config.model.preset, core::with_commas(parameters),
      trained_parameters == parameters ? "" : ", " + core::with_commas(trained_parameters) + " trained", compute));
  note("batch     " + batch_text(length_, choices, mesh, config.data.sequence_length));
  note("length    " + length_text(config.train, length_));
  for (const auto& line : data_lines(material)) note(line);
  for (const auto& line : material.sets) note(line);
  for (const auto& line : data_warnings(material, config.data)) note("warning   " + line);
  if (ceiling_.flops_per_second > 0) {
    note(fmt::format("ceiling   {:.0f} GFLOP/s {} on all ranks together", ceiling_.flops_per_second / 1e9,
                     ceiling_.measured ? "GEMM, measured now," : "published " + choices.precision + " peak"));
  } else {
    note(fmt::format("ceiling   unknown: no published {} peak of {}, so step lines have no MFU", choices.precision,
                     place_.processor));
  }
  for (const auto& origin : loaded.origins) {
    if (!origin.replaced.empty() || origin.origin == "auto") {
      note(fmt::format("changed   {} {}{} ({})", origin.key, origin.replaced.empty() ? "" : origin.replaced + " -> ",
                       origin.value.empty() ? "not set" : origin.value, origin.origin));
    }
  }
  for (const auto& warning : loaded.warnings) note("warning   " + warning);
}

std::string Reporter::step_line(const StepReport& report) const {
  const double rate = report.tokens_per_second;
  std::string share;
  if (ceiling_.flops_per_second > 0) {
    share = fmt::format("  {} {:.1f}% (causal {:.1f}%)", ceiling_.measured ? "GEMM" : "MFU",
                        100 * share_of_ceiling(rate, false), 100 * share_of_ceiling(rate, true));
  }
  const double left =
      rate > 0 ? static_cast<double>((length_.steps - report.step) * length_.tokens_per_step) / rate : 0;
  return fmt::format("step  {}/{}  {:.1f}%  loss {:.4f}  lr {:.2e}  grad {:.2f}  {} tok/s{}  {}/{}  ETA {}",
                     core::with_commas(report.step), core::with_commas(length_.steps),
                     100.0 * static_cast<double>(report.step) / static_cast<double>(length_.steps), report.loss,
                     report.learning_rate, report.grad_norm, core::human_count(rate), share,
                     core::human_bytes(static_cast<double>(report.memory_bytes)),
                     core::human_bytes(static_cast<double>(memory_limit_)), core::human_duration(left));
}

void Reporter::advance(int64_t step, double loss) {
  if (!prints_ || style_ != core::ProgressStyle::bar) return;
  // Made after the first step of this start: what an earlier start has done, and warming up, are no part of the rate.
  if (!bar_) bar_ = std::make_unique<core::ProgressBar>("training", length_.steps, "steps", style_, step);
  bar_->update(step, fmt::format("loss {:.4f}", loss));
}

void Reporter::step(const StepReport& report) {
  if (!prints_) return;
  if (style_ != core::ProgressStyle::none) core::say(step_line(report));
  core::append_line(folder_ / "log.txt", step_line(report));
  nlohmann::ordered_json mfu;  // null where the ceiling is not known
  if (ceiling_.flops_per_second > 0) mfu = share_of_ceiling(report.tokens_per_second, false);
  event({{"step", report.step},
         {"tokens", report.tokens},
         {"trained_tokens", report.trained_tokens},
         {"loss", report.loss},
         {"learning_rate", report.learning_rate},
         {"grad_norm", report.grad_norm},
         {"tokens_per_second", report.tokens_per_second},
         {"mfu", mfu},
         {"memory_bytes", report.memory_bytes},
         {"seconds", report.seconds}});
}

void Reporter::evaluation(int64_t step, const nlohmann::ordered_json& metrics, const std::string& text) {
  if (!prints_) return;
  note(fmt::format("eval  {}  {}", core::with_commas(step), text));
  nlohmann::ordered_json line = {{"step", step}, {"eval", metrics}};
  event(line);
}

void Reporter::note(const std::string& text) {
  if (!prints_) return;
  core::say(text);
  if (std::filesystem::exists(folder_)) core::append_line(folder_ / "log.txt", text);  // a dry run makes no folder
}

void Reporter::event(const nlohmann::ordered_json& line) {
  if (prints_) core::append_line(folder_ / "metrics.jsonl", line.dump());
}

}  // namespace plumb::run
