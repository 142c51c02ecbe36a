// What became of every document and token of a dataset, as lines for a person.
#pragma once

#include <string>

#include "data/dataset.h"

namespace plumb::commands {

// Under a line with `name`, if there is one; with what was left out, the digest and the folder.
std::string dataset_text(const std::string& name, const data::Dataset& dataset);

}  // namespace plumb::commands
