// All values of the wanted kinds in a text, in order, not overlapping. One pass; linear in the text whatever is in it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/privacy/kinds.h"

namespace plumb::data::privacy {

void find_values(std::string_view text, Kinds wanted, std::vector<Match>& found);

// One spelling of a value that can be written in several ways: digits alone, lower case, the national number of a
// Korean telephone. Equal values have equal tags by it.
std::string canonical(Kind kind, std::string_view value);

}  // namespace plumb::data::privacy
