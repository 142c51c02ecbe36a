// The subcommands that `plumb-engine` has: everything that trains, runs or opens a model.
#pragma once

#include "trainer/commands/commands.h"

namespace plumb::commands {

const Runs& engine_commands();

int train(const Words&);
int tune(const Words&);
int eval(const Words&);
int generate(const Words&);
int export_(const Words&);
int data_build(const Words&);
int data_report(const Words&);
int data_lineage(const Words&);
int tokenizer_train(const Words&);
int params(const Words&);
int inspect(const Words&);

}  // namespace plumb::commands
