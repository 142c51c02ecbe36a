// When which mix of the sources is read, in rows: what data.sources[].weight, data.replay and data.curriculum say.
#pragma once

#include <vector>

#include "core/config/config.h"
#include "data/row_stream.h"

namespace plumb::run {

std::vector<data::PlanSegment> mix_plan(const config::Config&);

}  // namespace plumb::run
