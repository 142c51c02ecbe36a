// What a run does around its steps: scores of the base before, the table, the rules and the export after.
#pragma once

#include "core/error.h"
#include "trainer/run/training.h"

namespace plumb::run {

// eval.before: scores of the untouched base on eval.sets, once (kept in every checkpoint of the run).
void score_base(Context&, Progress&);

// Saved on request or at the time limit: says so, leaves the run resumable.
int finish_stopped(Context&, const Progress&);

// Evaluates eval.sets, prints and stores the table (report.md, scores.json), applies eval.pass, exports.
ExitCode finish(Context&, const Progress&);

// The same for a run that ended before: what finish stored is printed again.
ExitCode report_again(Context&, const FolderState&);

}  // namespace plumb::run
