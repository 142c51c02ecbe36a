// What became of every document and token of a dataset, as lines for a person.
#pragma once

#include <string>

#include "data/dataset.h"

namespace plumb::commands {

std::string ledger(const data::Dataset& dataset);

}  // namespace plumb::commands
