// plumb generate
#include "trainer/generate/generate.h"

#include <iostream>

#include "core/error.h"
#include "core/log.h"
#include "parallel/one_communicator.h"
#include "trainer/commands/arguments.h"
#include "trainer/generate/prompt.h"
#include "trainer/jobs/jobs.h"
#include "trainer/jobs/model_engine.h"

namespace plumb::commands {

namespace {

// The answer as it comes; special tokens are not part of it.
void stream_answer(const exporting::OpenedModel& model, const model::HeldModel& held,
                   const std::vector<int32_t>& prompt, const generate::Options& options) {
  const auto& tokenizer = *model.tokenizer;
  generate::generate(held, {prompt}, options, [&](size_t, int32_t id) {
    if (!tokenizer.is_special(id)) std::cout << tokenizer.token_bytes(id) << std::flush;
  });
  std::cout << std::endl;
}

}  // namespace

int generate(const Words& words) {
  const auto arguments = parse_arguments(
      words, "plumb generate MODEL --prompt TEXT [--max-new-tokens N] [--temperature T] [--seed N]",
      "MODEL is a run, RUN/step-N or a Hugging Face folder. A model with a chat template answers TEXT as a user's\n"
      "message, and so does one that was trained on prompts and answers without markup; one that was trained on\n"
      "texts alone goes on from TEXT. Prints the answer alone.",
      {{"prompt", "TEXT", "what to answer or to go on from"},
       {"max-new-tokens", "N", "at most so many tokens (256)"},
       {"temperature", "T", "0 takes the likeliest token (0)"},
       {"seed", "N", "of the random numbers at a temperature above 0 (42)"},
       {"template", "NAME", "use this chat template instead of the model's own (plain: go on from the text)"}},
      1, 1);
  if (arguments.help) return 0;
  if (!arguments.has("prompt")) fail_input("command line", "expected --prompt TEXT, found none");
  const auto loaded = config::load_config("", arguments.overrides, config::Purpose::eval);
  auto model = exporting::open_model(arguments.positional[0]);
  for (const auto& notice : model.notices) core::warning("{}", notice);
  if (arguments.has("template")) {
    model.chat = data::chat_template(arguments.get("template", ""), model.chat_template_jinja, *model.tokenizer);
  }
  const auto& chat = exporting::needed_chat(model);
  const std::string text = arguments.get("prompt", "");
  const bool goes_on = chat.name() == "plain" && (!model.answers || arguments.has("template"));
  const auto prompt = goes_on ? generate::text_ids(text, *model.tokenizer)
                              : generate::prompt_ids({{"user", text}}, chat, *model.tokenizer);
  generate::Options options;
  options.max_new_tokens = arguments.integer("max-new-tokens", 256, 1);
  options.temperature = arguments.number("temperature", 0, 0);
  options.seed = static_cast<uint64_t>(arguments.integer("seed", 42, 0));
  options.end_ids = model.eos_ids;
  options.vocabulary = model.tokenizer->vocab_size();

  const auto place = run::take_place(loaded, 0, 1, 0, 1);
  const auto world = parallel::make_one(place.device, "");
  const int64_t length = std::min<int64_t>(model.spec.max_position_embeddings, 512);
  const auto engine = make_forward_engine(model, loaded.config, place, world, length);
  engine->hold();
  stream_answer(model, engine->held(), prompt, options);
  engine->release();
  return 0;
}

}  // namespace plumb::commands
