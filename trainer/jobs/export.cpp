// plumb export
#include "trainer/export/export.h"

#include <iostream>

#include "core/config/load.h"
#include "core/error.h"
#include "core/log.h"
#include "trainer/commands/arguments.h"
#include "trainer/export/open_model.h"
#include "trainer/jobs/jobs.h"

namespace plumb::commands {

int export_(const Words& words) {
  const auto arguments = parse_arguments(
      words, "plumb export MODEL OUT [--format hf] [--dtype bf16|fp32] [--max-shard SIZE]",
      "Writes MODEL (a run, RUN/step-N or a Hugging Face folder) into the new or empty folder OUT, as transformers,\n"
      "vLLM and llama.cpp's converter load it. An adapter is merged into its base in fp32 and rounded once.",
      {{"format", "hf", "Hugging Face folder (hf)"},
       {"dtype", "TYPE", "bf16 or fp32 (bf16)"},
       {"max-shard", "SIZE", "largest .safetensors file, 5GB or 500MiB (5GB)"}},
      2, 2);
  if (arguments.help) return 0;
  if (const auto format = arguments.get("format", "hf"); format != "hf") {
    fail_input("--format", "expected hf, found " + format, "other formats are not written yet");
  }
  // The size is read by the same schema as in a file.
  const auto loaded =
      config::load_config("", {"output.export.max_shard=" + arguments.get("max-shard", "5GB")}, config::Purpose::eval);
  const auto model = exporting::open_model(arguments.positional[0], false);
  for (const auto& notice : model.notices) core::warning("{}", notice);
  const exporting::ExportRequest request{model.spec,
                                         *model.weights,
                                         *model.tokenizer,
                                         exporting::exported_jinja(model),
                                         model.eos_ids,
                                         arguments.positional[1],
                                         arguments.get("dtype", "bf16"),
                                         loaded.config.output.export_.max_shard,
                                         model.bos_id,
                                         model.pad_id,
                                         model.lora};
  std::cout << exporting::export_hf(request).text();
  return 0;
}

}  // namespace plumb::commands
