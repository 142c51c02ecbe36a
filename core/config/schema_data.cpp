// Keys of `data`.
#include "core/config/schema.h"

namespace plumb::config {
namespace {

using C = Config;
using D = DataSection;

const std::vector<Key>& stage_keys() {
  using S = CurriculumStage;
  static const std::vector<Key> keys = {
      {.address = "from",
       .type = Type::span,
       .meaning = "When the mix changes: steps, tokens or % of the length.",
       .bind = at<&S::from>,
       .required = true},
      {.address = "weights",
       .type = Type::columns,
       .meaning = "The weight of every source from then on, 0 for none: `{web: 0.2, code: 0.8}`.",
       .bind = at<&S::weights>,
       .required = true},
      {.address = "replay",
       .type = Type::fraction,
       .default_note = "as before",
       .meaning = "Share of all positions that is general data from then on.",
       .bind = at<&S::replay>,
       .least = 0,
       .below = 1},
  };
  return keys;
}

void* append_stage(void* owner) { return &static_cast<Config*>(owner)->data.curriculum.emplace_back(); }

std::vector<void*> every_stage(void* owner) {
  std::vector<void*> all;
  for (auto& stage : static_cast<Config*>(owner)->data.curriculum) all.push_back(&stage);
  return all;
}

template <auto list>
void* append_source(void* owner) {
  return &(static_cast<Config*>(owner)->data.*list).emplace_back();
}

template <auto list>
std::vector<void*> every_source(void* owner) {
  std::vector<void*> all;
  for (auto& source : static_cast<Config*>(owner)->data.*list) all.push_back(&source);
  return all;
}

Replay* replay(void* owner, bool create) {
  auto& part = static_cast<Config*>(owner)->data.replay;
  if (!part && create) part.emplace();
  return part ? &*part : nullptr;
}

template <auto member>
Target replay_key(void* owner, bool create) {
  Replay* part = replay(owner, create);
  if (!part) return {};
  return &(part->*member);
}

void* append_replay_source(void* owner) { return &replay(owner, true)->sources.emplace_back(); }

std::vector<void*> every_replay_source(void* owner) {
  std::vector<void*> all;
  if (Replay* part = replay(owner, false))
    for (auto& source : part->sources) all.push_back(&source);
  return all;
}

std::vector<Key> source_lists() {
  return {
      {.address = "data.sources",
       .type = Type::items,
       .meaning = "Where documents come from; every one of them once is an epoch.",
       .peers = "AX datasets | LF dataset dataset_dir | TUNE dataset | LLF train_loader | MG --data-path",
       .item_keys = source_keys,
       .append = append_source<&D::sources>,
       .all = every_source<&D::sources>},
      {.address = "data.dataset",
       .type = Type::path,
       .meaning =
           "A folder made by `plumb data build`, local or `s3://`, instead of `data.sources`; the tokenizer is the "
           "dataset's where none is given.",
       .bind = at<&C::data, &D::dataset>,
       .must_exist = true},
      {.address = "data.cache",
       .type = Type::path,
       .default_note = "`cache` beside output.folder",
       .meaning = "Built shards, keyed by content and shared by runs.",
       .bind = at<&C::data, &D::cache>,
       .pace = true,
       .peers = "AX dataset_prepared_path | LF tokenized_path"},
      {.address = "data.object_cache",
       .type = Type::bytes,
       .fallback = "64GiB",
       .meaning = "The most that objects fetched from a store (`s3://`) take below `data.cache`; what was used longest "
                  "ago goes first.",
       .bind = at<&C::data, &D::object_cache>,
       .pace = true,
       .least = 1 << 20,
       .peers = "LLF cache_limit"},
  };
}

std::vector<Key> reading_keys() {
  return {
      {.address = "data.sequence_length",
       .type = Type::integer,
       .fallback = "2048",
       .meaning = "Positions in a sequence, at most `model.max_position_embeddings`.",
       .bind = at<&C::data, &D::sequence_length>,
       .least = 2,
       .most = 1073741824,
       .peers = "AX sequence_len | LF cutoff_len | TUNE tokenizer.max_seq_len | LLF max_seq_len | HF max_length "
                "max_seq_length block_size | "
                "MG --seq-length | TT seq_len"},
      {.address = "data.packing",
       .type = Type::word,
       .default_note = "`concat` for pretrain, else `best_fit`",
       .meaning = "`concat` cuts running text, `best_fit` keeps samples whole, `none` pads. Attention never crosses "
                  "documents and "
                  "the loss is masked at seams.",
       .bind = at<&C::data, &D::packing>,
       .words = "concat best_fit none",
       .peers = "AX sample_packing | LF packing neat_packing | TUNE dataset.packed | LLF packing_ratio"},
      {.address = "data.too_long",
       .type = Type::word,
       .fallback = "drop",
       .meaning = "A sample longer than a sequence: `drop` (counted), `error`, `split` (text only); the end token is "
                  "never cut.",
       .bind = at<&C::data, &D::too_long>,
       .words = "drop error split",
       .peers = "AX excess_length_strategy"},
      {.address = "data.validation_share",
       .type = Type::fraction,
       .fallback = "0",
       .meaning = "Share of documents held out by hash; or `data.validation`, not both.",
       .bind = at<&C::data, &D::validation_share>,
       .least = 0,
       .below = 1,
       .peers = "AX val_set_size | LF val_size"},
      {.address = "data.validation",
       .type = Type::items,
       .meaning = "Held-out sources of their own.",
       .peers = "AX test_datasets | LF eval_dataset | TUNE dataset_val | LLF eval_loader | HF eval_dataset",
       .item_keys = source_keys,
       .append = append_source<&D::validation>,
       .all = every_source<&D::validation>},
      {.address = "data.replay.share",
       .type = Type::fraction,
       .meaning = "General data: its share of all positions; does not count for epochs.",
       .bind = replay_key<&Replay::share>,
       .above = 0,
       .below = 1},
      {.address = "data.replay.sources",
       .type = Type::items,
       .meaning = "Where general data comes from.",
       .item_keys = source_keys,
       .append = append_replay_source,
       .all = every_replay_source},
      {.address = "data.replay.dataset",
       .type = Type::path,
       .meaning = "A built dataset, local or `s3://`, instead of `data.replay.sources`.",
       .bind = replay_key<&Replay::dataset>,
       .must_exist = true},
  };
}

std::vector<Key> order_keys() {
  return {
      {.address = "data.curriculum",
       .type = Type::items,
       .meaning = "Later mixes of the weighted sources, in the order of their beginning. What was read before a stage "
                  "never changes.",
       .item_keys = stage_keys,
       .append = append_stage,
       .all = every_stage},
      {.address = "data.shuffle",
       .type = Type::boolean,
       .fallback = "true",
       .meaning = "The order is a pure function of (seed, epoch, digest of the data).",
       .bind = at<&C::data, &D::shuffle>},
      {.address = "data.seed",
       .type = Type::integer,
       .default_note = "train.seed",
       .meaning = "Seed of the order alone.",
       .bind = at<&C::data, &D::seed>,
       .least = 0,
       .peers = "HF data_seed"},
      {.address = "data.strict",
       .type = Type::boolean,
       .fallback = "false",
       .meaning = "A malformed row ends the run instead of going to quarantine.",
       .bind = at<&C::data, &D::strict>,
       .pace = true},
      {.address = "data.threads",
       .type = Type::integer,
       .fallback = "auto",
       .meaning = "Threads that build the dataset.",
       .bind = at<&C::data, &D::threads>,
       .may_be_auto = true,
       .pace = true,
       .least = 1,
       .most = 4096,
       .peers = "AX dataset_processes | LF preprocessing_num_workers"},
  };
}

}  // namespace

const std::vector<Key>& source_keys() {
  using S = Source;
  static const std::vector<Key> keys = {
      {.address = "path",
       .type = Type::path,
       .meaning =
           "A file, a folder or a pattern with `*`, local or `s3://`; the extension gives the container (txt md html "
           "jsonl json csv tsv, also .gz .zst; parquet pdf).",
       .bind = at<&S::path>,
       .required = true,
       .peers = "AX datasets | LF dataset | TUNE dataset._component_ | LLF train_loader.dataset",
       .must_exist = true},
      {.address = "format",
       .type = Type::word,
       .fallback = "text",
       .meaning = "What a record is.",
       .bind = at<&S::format>,
       .words = "text alpaca dolly messages prompt_completion",
       .later = "sharegpt preference unpaired",
       .peers = "AX type"},
      {.address = "fields",
       .type = Type::columns,
       .fallback = "{}",
       .meaning = "Our field to the file's column: `{prompt: question}`.",
       .bind = at<&S::fields>,
       .peers = "AX field_instruction field_input field_output field_messages | HF dataset_text_field"},
      {.address = "name",
       .type = Type::text,
       .default_note = "the path's stem",
       .meaning = "How the source is called in reports.",
       .bind = at<&S::name>},
      {.address = "weight",
       .type = Type::number,
       .meaning =
           "Its share of positions in the mix, relative to the others': exact to one sequence at every moment. All "
           "sources have one or none has.",
       .bind = at<&S::weight>,
       .least = 0,
       .most = 1e15,
       .peers = "OL target_ratio | LLF proportion"},
      {.address = "max_documents",
       .type = Type::count,
       .meaning = "At most so many documents of it, malformed rows included.",
       .bind = at<&S::max_documents>,
       .least = 1,
       .peers = "LF max_samples"},
      {.address = "license",
       .type = Type::text,
       .meaning = "Goes to the manifest, the model card and the data summary.",
       .bind = at<&S::license>},
      {.address = "language",
       .type = Type::text,
       .meaning = "Goes to the manifest, the model card and the data summary.",
       .bind = at<&S::language>},
      {.address = "synthetic",
       .type = Type::boolean,
       .fallback = "false",
       .meaning = "Made by a model; goes to the same places.",
       .bind = at<&S::synthetic>},
  };
  return keys;
}

std::vector<Key> data_keys() {
  return joined(
      {source_lists(), reading_keys(), clean_keys(), privacy_keys(), dedup_keys(), decontaminate_keys(), order_keys()});
}

}  // namespace plumb::config
